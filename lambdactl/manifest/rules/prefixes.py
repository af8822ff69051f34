"""Prefixes: the wall between jobs in the bucket, so nothing here is lenient. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding, shown

K = TypeVar("K")  # whatever names a job

OURS = ".lambdactl"
_PATH = ("prefix",)
# What S3 calls safe, without "*" (a wildcard in the role's policy), and "=" for partitions.
_SAFE = re.compile(r"[A-Za-z0-9!_.'()=/-]+")


def normal(prefix: str) -> str:
    return prefix if prefix.endswith("/") else f"{prefix}/"


def prefix(draft: Draft) -> Iterator[Finding]:
    if "prefix" in draft.value:
        what, hint = fault(draft.value["prefix"])
        if what:
            yield Finding(_PATH, f"prefix {shown(draft.value['prefix'])} {what}", hint)


def fault(text: str) -> tuple[str, str]:
    """What is wrong with a prefix by itself and its cure, or two empty texts."""
    if not text or text.strip("/") == "":
        return "would be the whole bucket", "name a folder of the job's own, as in triage/"
    if text.startswith("/"):
        return "begins with /", f"write {text.lstrip('/')}"
    if "${" in text or re.search(r"[*?]", text):
        return "holds a wildcard or ${, which would widen the role's policy", "write a plain folder name"
    segments = normal(text)[:-1].split("/")
    if ".." in segments or "." in segments:
        return "climbs: . and .. are no folders in S3", "write a plain folder name"
    if "" in segments:
        return "holds //", "write one / between folders"
    if segments[0] == OURS:
        return f"lies in {OURS}/, which is lambdactl's own", "name another folder"
    if not _SAFE.fullmatch(text):
        return "holds characters that are not safe in S3 keys", "use letters, digits and ! - _ . ' ( ) = /"
    return "", ""


def overlapping(prefixes: Mapping[K, str]) -> Iterator[tuple[K, K]]:
    """Pairs of jobs of which the first one's (normal) prefix holds the second one's."""
    cover: tuple[str, K] | None = None
    for job in sorted(prefixes, key=lambda job: prefixes[job]):
        text = prefixes[job]
        if cover and text.startswith(cover[0]):
            yield cover[1], job
        else:
            cover = text, job
