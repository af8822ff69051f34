"""A function's log group with its retention. Made before the function, which would make one without.

A log group has no mark that bulk reads show: `/aws/lambda/<name>` is ours when the function of that
name is ours or absent (the function's own kind refuses a foreign one).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Call, Effect, Resource, computed
from lambdactl.grants import ACCOUNT, Permissions, Scope
from lambdactl.kinds.function import owned
from lambdactl.kinds.look import Look

_FOLDER = "/aws/lambda/"


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
        foreign = {
            look.site.job_of(each["FunctionName"]) for each in look.functions if not owned(look.site, each)
        }
        prefix = f"{_FOLDER}{look.site.stem}"
        for group in look.aws.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=prefix):
            job = look.site.job_of(group["logGroupName"].removeprefix(_FOLDER))
            if job:
                retention = group.get("retentionInDays")
                yield cls(
                    name=job,
                    owned=job not in foreign,
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


GROUPS = Scope(sid="LogGroups", limits=lambda site: {"Resource": site.log_group_arn("*")})
PERMISSIONS = Permissions(
    reads={"logs.DescribeLogGroups": {"logs:DescribeLogGroups": ACCOUNT}},
    writes={
        "logs.CreateLogGroup": {"logs:CreateLogGroup": GROUPS},
        "logs.PutRetentionPolicy": {"logs:PutRetentionPolicy": GROUPS},
    },
    withheld={"logs.DeleteLogGroup": {"logs:DeleteLogGroup": GROUPS}},
)
