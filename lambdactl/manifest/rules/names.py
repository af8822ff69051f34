"""Names: they become names in AWS, so AWS's limits hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding
from lambdactl.site import JOB, NAME_MAX


def job_name(draft: Draft) -> Iterator[Finding]:
    if not JOB.fullmatch(draft.name):
        what = f"{draft.name!r}, from the file's name, is not a job's name"
        yield Finding((), what, "rename the file: lower-case letters, digits and hyphens, then .yaml")
        return
    full = f"{draft.project.name}-{draft.project.environment}-{draft.name}"
    if len(full) > NAME_MAX:
        what = f"the function's name {full} has {len(full)} characters; Lambda and IAM allow {NAME_MAX}"
        yield Finding((), what, f"shorten the file's name by {len(full) - NAME_MAX}")
