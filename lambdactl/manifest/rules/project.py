"""lambdactl.yaml itself, where the schema cannot say it. Reads the disk, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from lambdactl.manifest.finding import Finding, shown
from lambdactl.manifest.job import Settings
from lambdactl.manifest.rules.limits import tag_fault


def project_findings(project: Settings) -> Iterator[Finding]:
    yield from _jobs_folder(project)
    globs = project.allow_buckets
    if project.bucket and globs and not any(fnmatchcase(project.bucket, glob) for glob in globs):
        what = f"bucket {project.bucket} is not allowed in this project"
        yield Finding(("bucket",), what, f"allow.buckets has: {', '.join(globs)}")
    for key, value in project.tags.items():
        fault = tag_fault(key, value)
        if fault:
            yield Finding(("tags", key), *fault, key=True)


def _jobs_folder(project: Settings) -> Iterator[Finding]:
    pure = PurePosixPath(project.jobs)
    folder = project.root / pure
    if (
        pure.is_absolute()
        or ".." in pure.parts
        or not folder.resolve().is_relative_to(project.root.resolve())
    ):
        yield Finding(
            ("jobs",),
            f"jobs {shown(project.jobs)} leads out of the project",
            "name a folder beside lambdactl.yaml",
        )
    elif not folder.is_dir():
        # An empty list of jobs would mean "delete them all", so a wrong name must not look like one.
        yield Finding(
            ("jobs",), f"the folder of jobs, {project.jobs}/, does not exist", "make it, or correct `jobs`"
        )
