"""Where a page may lead: to the S3 console, or to a file beside it that a browser only shows. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

# What a browser shows and does not run. Anything else (HTML, SVG, XML, PDF) is named, not linked: a file
# that a job made would have the rights of a page on this machine.
SHOWN = {".txt", ".log", ".md", ".json", ".jsonl", ".csv", ".patch", ".diff", ".png", ".jpg", ".jpeg", ".gif"}


def beside(folder: Path, page: Path) -> Callable[[str], str]:
    """Links from a page to a run folder on this machine, relative, so that both can be moved together."""
    way = Path(os.path.relpath(folder.resolve(), page.parent.resolve())).as_posix()

    def link(name: str) -> str:
        shown = PurePosixPath(name).suffix.lower() in SHOWN
        return f"./{quote(f'{way}/{name}', errors='surrogateescape')}" if shown else ""

    return link


def console(region: str, partition: str, bucket: str, prefix: str) -> Callable[[str], str]:
    """Links to the objects' pages in the S3 console, which asks who is there and runs nothing of theirs."""
    domain = {
        "aws": "console.aws.amazon.com",
        "aws-cn": "console.amazonaws.cn",
        "aws-us-gov": "console.amazonaws-us-gov.com",
    }.get(partition, "")

    def link(name: str) -> str:
        if not domain:
            return ""
        query = urlencode({"region": region, "prefix": prefix + name}, quote_via=quote, safe="")
        return f"https://{quote(region, safe='')}.{domain}/s3/object/{quote(bucket, safe='')}?{query}"

    return link
