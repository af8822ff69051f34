"""A function's log group with its retention. Made before the function, which would make one without.

A log group has no mark that bulk reads show: `/aws/lambda/<name>` is ours when the function of that
name is ours or absent (the function's own kind refuses a foreign one).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from lambdactl.aws import Reader
from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Call, Effect, Mark, Resource, computed
from lambdactl.grants import ACCOUNT, Permissions, Reach
from lambdactl.kinds.answers import mark_of
from lambdactl.kinds.look import Look
from lambdactl.site import Site

_FOLDER = "/aws/lambda/"


def groups(aws: Reader, site: Site, job: str = "") -> list[Mapping[str, Any]]:
    """The log groups of functions whose names begin like this job's; "" is any of the project's."""
    prefix = f"{_FOLDER}{site.function(job)}"
    return aws.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup(Resource):
    kind: ClassVar[str] = "log_group"
    data: ClassVar[bool] = True

    group: str = computed()
    retention_days: int | None

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        for each in deployments.jobs:
            group = deployments.site.log_group(each.job.name)
            yield cls(name=each.job.name, group=group, retention_days=each.job.log_retention_days)

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        for group in groups(look.aws, look.site, look.only):
            # A prefix is all that can be asked for: `demo-main-a` also finds `demo-main-ab`.
            job = look.site.job_of(group["logGroupName"].removeprefix(_FOLDER))
            if not job or not look.concerns(job):
                continue
            wanted = look.wanted.get(Address("log_group", job))
            retention = group.get("retentionInDays")
            if group.get("retentionPolicyName") and isinstance(wanted, LogGroup):
                retention = wanted.retention_days  # a policy of the account decides, and shows here
            yield cls(
                name=job,
                mark=_mark(look, job),
                group=group["logGroupName"],
                retention_days=retention,
            )

    def create(self) -> Iterator[Effect]:
        yield Call(
            service="logs",
            operation="CreateLogGroup",
            parameters={"logGroupName": self.group},
            tolerate=frozenset({"ResourceAlreadyExistsException"}),
        )
        yield from self._retention()

    def update(self, found: Self) -> Iterator[Effect]:
        yield from self._retention()

    def delete(self) -> Iterator[Effect]:
        yield Call(
            service="logs",
            operation="DeleteLogGroup",
            parameters={"logGroupName": self.group},
            tolerate=frozenset({"ResourceNotFoundException"}),
        )

    def _retention(self) -> Iterator[Effect]:
        parameters = {"logGroupName": self.group, "retentionInDays": self.retention_days}
        yield Call(service="logs", operation="PutRetentionPolicy", parameters=parameters)


def _mark(look: Look, job: str) -> Mark:
    """That of the function of the same name; without one the group is ours by its name."""
    function = look.functions_by_name.get(look.site.function(job))
    if function is None and job not in look.candidates:
        function = (look.function(job) or {}).get("Configuration")
    return "ours" if function is None else mark_of(look.site, function)


GROUPS = Reach(sid="LogGroups", limits=lambda site: {"Resource": site.log_group_arn("*")})
PERMISSIONS = Permissions(
    reads={"logs.DescribeLogGroups": {"logs:DescribeLogGroups": ACCOUNT}},
    writes={
        "logs.CreateLogGroup": {"logs:CreateLogGroup": GROUPS},
        "logs.PutRetentionPolicy": {"logs:PutRetentionPolicy": GROUPS},
    },
    withheld={"logs.DeleteLogGroup": {"logs:DeleteLogGroup": GROUPS}},
)
