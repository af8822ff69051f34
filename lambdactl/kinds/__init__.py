"""The kinds of AWS resources that a project is made of. Adding one is adding a file and a line here."""

from __future__ import annotations

from collections.abc import Callable

from lambdactl.aws import Reader
from lambdactl.kinds.bucket import Bucket
from lambdactl.kinds.definition import Definition
from lambdactl.kinds.function import Function
from lambdactl.kinds.image import Image
from lambdactl.kinds.log_group import LogGroup, groups
from lambdactl.kinds.look import Look, begin_functions, begin_roles
from lambdactl.kinds.repository import Repository
from lambdactl.kinds.role import Role
from lambdactl.kinds.schedule import Schedule, ScheduleGroup, ScheduleRole
from lambdactl.kinds.stamp import Stamp
from lambdactl.site import Site

KINDS = (
    Bucket, Repository, Image, Definition, Role, LogGroup, Function, Stamp,
    ScheduleGroup, ScheduleRole, Schedule,
)  # fmt: skip

SHARED = frozenset(kind.kind for kind in KINDS if kind.shared)  # by all jobs, rather than one job's

__all__ = ["KINDS", "SHARED", "Look", "first_reads"]


def first_reads(aws: Reader, site: Site, jobs: int) -> tuple[Callable[[], object], ...]:
    """What a plan of so many jobs reads in any case and waits for longest, page after page.

    Of `site` only names are asked: its account need not be known yet.
    """
    return (
        lambda: begin_functions(aws, jobs),
        lambda: groups(aws, site),
        lambda: begin_roles(aws, jobs),
    )
