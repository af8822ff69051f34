"""Tags: AWS allows 50 on a resource, and not every character. Pure.

Sources: botocore's models of IAM and Lambda; IAM User Guide, "Rules for tagging", for the case of keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding, shown

MOST = 40  # of AWS's 50: the others are lambdactl's, now or later
# IAM's tagKeyType and tagValueType, the strictest: letters, numbers, separators (no line breaks), _.:/=+-@
_TAG = re.compile(r"(?:\w|[^\S\t\n\r\x0b\x0c\x1c-\x1f\x85]|[.:/=+\-@])*")


def tags(draft: Draft) -> Iterator[Finding]:
    own, project = draft.value.get("tags", {}), draft.project.tags
    if len(project) <= MOST:
        yield from _count({**project, **own}, "with the project's, the job has")
    yield from faults(own, project)


def project_tags(project: Mapping[str, str]) -> Iterator[Finding]:
    yield from _count(project, "the project has")
    yield from faults(project, {})


def faults(tags: Mapping[str, str], beside: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with `tags`, which a resource has together with those `beside` them."""
    spelled = {key.lower(): key for key in beside}
    for key, value in tags.items():
        other = spelled.setdefault(key.lower(), key)
        fault = _fault(key, value)
        if other != key and not fault:
            fault = f"the tags {shown(other)} and {shown(key)} differ by case only", "IAM takes them for one"
        if fault:
            yield Finding(("tags", key), *fault, key=True)


def _count(tags: Mapping[str, str], who: str) -> Iterator[Finding]:
    if len(tags) > MOST:
        what = f"{who} {len(tags)} tags; AWS allows 50, lambdactl's own included"
        yield Finding(("tags",), what, f"keep it to {MOST}")


def _fault(key: str, value: str) -> tuple[str, str] | None:
    if key.lower().startswith(("aws:", "lambdactl:")):
        return f"the tag {shown(key)} is reserved", "AWS sets aws: and lambdactl sets lambdactl: itself"
    if not 1 <= len(key) <= 128 or len(value) > 256:
        return f"the tag {shown(key)} is too long", "AWS allows 128 characters for a key, 256 for a value"
    if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
        return (
            f"the tag {shown(key)} holds characters that AWS refuses",
            "use letters, digits, spaces and _ . : / = + - @",
        )
    return None
