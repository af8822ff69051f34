"""lambdactl.yaml itself, where the schema cannot say it. Reads the disk, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from lambdactl.manifest.finding import Finding, shown
from lambdactl.manifest.job import Settings
from lambdactl.manifest.rules.tags import project_tags
from lambdactl.site import BUCKET_MAX, bucket_name

_SHORTEST = "us-east-1"  # no region has a shorter name


def project_findings(project: Settings) -> Iterator[Finding]:
    yield from _jobs_folder(project)
    globs = project.allow_buckets
    if project.bucket and globs and not any(fnmatchcase(project.bucket, glob) for glob in globs):
        what = f"bucket {project.bucket} is not allowed in this project"
        yield Finding(("bucket",), what, f"allow.buckets has: {', '.join(globs)}")
    yield from _bucket_name(project)
    yield from _boundary(project)
    yield from project_tags(project.tags)


def _bucket_name(project: Settings) -> Iterator[Finding]:
    if project.bucket or not project.name:
        return
    account, region = project.account or "0" * 12, project.region or _SHORTEST
    name = bucket_name(project.name, project.environment, account, region)
    if len(name) > BUCKET_MAX:
        what = f"the bucket's name would be {name}: {len(name)} characters, S3 takes {BUCKET_MAX}"
        yield Finding(("project",), what, "name one yourself with `bucket:`")


def _boundary(project: Settings) -> Iterator[Finding]:
    """A boundary is in the account of the roles, or AWS's own."""
    owner = project.permissions_boundary.split(":")[4:5]
    if project.account and owner and owner[0] not in (project.account, "aws"):
        what = f"the permissions boundary is in account {owner[0]}, the project in {project.account}"
        yield Finding(("permissionsBoundary",), what, "IAM takes policies of the same account only")


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
            ("jobs",),
            f"the folder of jobs, {project.jobs}/, does not exist",
            "make it (a .gitkeep keeps it in git while it is empty), or correct `jobs`",
        )
