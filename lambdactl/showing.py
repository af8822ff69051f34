"""The use case `show --html`: a run's folder, wherever it lies, as one page on this machine.

The definition is found by the hash that the run names, in the bucket or, of a run on this machine, here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from lambdactl import definitions
from lambdactl.errors import AwsError, Refused, UsageError
from lambdactl.files import replace_file
from lambdactl.project import Project
from lambdactl.report import html
from lambdactl.report.html import links
from lambdactl.runs import Run

DOCUMENT = 16 << 20  # bytes of a definition that are read
REQUEST = 4  # pieces of a request.json, of a MiB at most
_SHA256 = re.compile(r"[0-9a-f]{64}")


def write_page(project: Project, run: Run, target: Path, *, force: bool = False) -> Path:
    """Write the page to `target`, or into it as `<run id>.html` where it is a folder; where it is then.

    What is there already is written over if it is such a page, or if `force` says so.
    """
    path = target / f"{run.id}.html" if target.is_dir() else target
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="name a file in one that is there")
    if not force and (path.exists() or path.is_symlink()) and not _is_ours(path):
        raise Refused(
            f"{path} is not a page that lambdactl made", hint="name another file, or write over it: --force"
        )
    replace_file(path, html.page(_folder(project, run, path)))
    return path


def _folder(project: Project, run: Run, page: Path) -> html.Folder:
    here = not run.folder.startswith("s3://")
    files = project.runs.files(run)
    sha256 = _named(project, run) if "request.json" in dict(files) else ""
    content, why = _local(project, sha256) if here else _stored(project, run, sha256)
    return html.Folder(
        run=run,
        files=files,
        chunks=lambda name: project.runs.chunks(run, name),
        definition=_object(content),
        no_definition=why,
        link=links.beside(Path(run.folder), page) if here else _console(project, run),
        now=datetime.now(UTC),
    )


def _named(project: Project, run: Run) -> str:
    """The hash of the definition that ran; "" when the run does not say."""
    try:
        content = b"".join(islice(project.runs.chunks(run, "request.json"), REQUEST))
    except OSError:
        return ""
    sha256 = (_object(content) or {}).get("definition")
    return sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else ""


def _local(project: Project, sha256: str) -> tuple[bytes, str]:
    content = definitions.kept(project.root, sha256)
    if content is None:
        return b"", "this machine has no copy of the definition that ran"
    return _checked(content, sha256)


def _stored(project: Project, run: Run, sha256: str) -> tuple[bytes, str]:
    if not sha256:
        return b"", "the run does not say which definition it was of"
    try:
        key = project.site.definition_key(run.job, sha256)
        found = project.aws.stored(project.site.bucket, key, DOCUMENT)
    except AwsError as error:  # whoever launches need not be one who reads definitions
        return b"", f"the definition could not be read: {error.what}"
    if found is None:
        return b"", "the definition is not in the bucket any more"
    return _checked(found.content, sha256)


def _checked(content: bytes, sha256: str) -> tuple[bytes, str]:
    """The content, or why it is not believed."""
    same = definitions.is_it(content, sha256)
    return (content, "") if same else (b"", "the definition is not the one that the run names")


def _console(project: Project, run: Run) -> Callable[[str], str]:
    if project.sandbox:
        return lambda name: ""
    site = project.site
    prefix = run.folder.removeprefix(f"s3://{site.bucket}/")
    return links.console(site.region, site.partition, site.bucket, prefix)


def _object(content: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    mark = html.MARK.encode()
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return file.read(len(mark)) == mark
