"""A job's schedule (EventBridge Scheduler), the role that Scheduler assumes for it, and their group.

A schedule carries no tags: the group does, and what is in our group is ours. Roles are created first and
deleted last, so where there is no role of a schedule and none is wanted, Scheduler is not asked at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Call, Effect, Mark, Resource, computed
from lambdactl.grants import ACCOUNT, Permissions, Reach
from lambdactl.kinds import role as roles
from lambdactl.kinds.look import Look, mark_of_tags, tags_of
from lambdactl.manifest.job import Job, written
from lambdactl.manifest.job import Schedule as Declared
from lambdactl.policies import normal
from lambdactl.site import Site
from lambdactl.tags import pairs, unpaired

_GONE = frozenset({"ResourceNotFoundException"})  # to a deletion: it is so already
# Of delivering an event to Lambda's queue, not of a run: as many as Scheduler makes by itself, for as
# long as an event of the job may be old.
_ATTEMPTS = 185
# What somebody may have set beside what we say; an update takes it away, since it replaces everything.
_BESIDE = ("StartDate", "EndDate", "KmsKeyArn")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRole(roles.Role):
    """May do one thing: invoke the one function."""

    kind: ClassVar[str] = "schedule_role"

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        site = deployments.site
        for job, _ in _scheduled(deployments):
            yield cls(
                name=job.name,
                role_name=site.schedule_role(job.name),
                path=site.schedule_role_path,
                trust=_trust(site),
                policies={"schedule": _invoke(site.function_arn(job.name))},
                permissions_boundary=site.permissions_boundary,
                tags=tags_of(job, site),
            )

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        for job, detail in look.schedule_roles.items():
            tags = unpaired(detail.get("Tags", ()))
            ours = mark_of_tags(look.site, tags) == "ours"
            if ours or look.only or Address(cls.kind, job) in look.wanted:
                yield cls.found(look, job, detail, tags, path=look.site.schedule_role_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleGroup(Resource):
    kind: ClassVar[str] = "schedule_group"
    shared: ClassVar[bool] = True

    arn: str = computed()
    tags: Mapping[str, str]
    repository: str = field(compare=False)  # stands for the project: what is wanted as long as that is
    roles: tuple[Address, ...] = field(default=(), compare=False, repr=False)  # found beside it
    others: tuple[str, ...] = field(default=(), compare=False)  # schedules in it that are not ours

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        if any(_scheduled(deployments)):
            yield cls._at(deployments.site, tags=deployments.site.owner_tags)

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        site = look.site
        beside = tuple(Address(ScheduleRole.kind, job) for job in look.schedule_roles)
        if not (beside or look.only or Address(cls.kind, site.schedule_group) in look.wanted):
            return
        answer = look.aws.maybe("scheduler", "GetScheduleGroup", Name=site.schedule_group)
        if answer is None or answer["State"] == "DELETING":
            return
        listed = look.aws.read("scheduler", "ListTagsForResource", ResourceArn=site.schedule_group_arn)
        tags = unpaired(listed["Tags"])
        others = tuple(name for name in _names(look) if not _ours(look, name))
        yield cls._at(
            site,
            mark=mark_of_tags(site, tags),
            tags={key: tags[key] for key in tags if key in site.owner_tags},
            roles=beside,
            others=others,
            protected=bool(others),  # they would go with it
        )

    @classmethod
    def _at(cls, site: Site, **rest: Any) -> Self:
        return cls(name=site.schedule_group, arn=site.schedule_group_arn, repository=site.repository, **rest)

    def needs(self) -> tuple[Address, ...]:
        return self.roles  # so that it goes before them: they are the index

    def part_of(self) -> Address | None:
        return None if self.others else Address("repository", self.repository)

    def create(self) -> Iterator[Effect]:
        yield _call("CreateScheduleGroup", Name=self.name, Tags=pairs(self.tags))

    def update(self, found: Self) -> Iterator[Effect]:
        yield _call("TagResource", ResourceArn=self.arn, Tags=pairs(self.tags))

    def delete(self) -> Iterator[Effect]:
        yield _call("DeleteScheduleGroup", tolerate=_GONE, Name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Resource):
    kind: ClassVar[str] = "schedule"

    schedule_name: str = computed()
    group: str = computed()
    target: str = computed()
    role: str = computed()
    expression: str
    timezone: str
    flexible_minutes: int | None
    event: str
    enabled: bool
    max_event_age: int
    attempts: int = computed()
    beside: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        site = deployments.site
        for job, declared in _scheduled(deployments):
            yield cls(
                name=job.name,
                schedule_name=site.schedule(job.name),
                group=site.schedule_group,
                target=site.function_arn(job.name),
                role=site.schedule_role_arn(job.name),
                expression=declared.expression,
                timezone=declared.timezone,
                flexible_minutes=declared.flexible_minutes,
                event=declared.event,
                enabled=declared.enabled,
                max_event_age=job.max_event_age,
                attempts=_ATTEMPTS,
            )

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        group = next(iter(ScheduleGroup.read(look)), None)
        if group is None:
            return
        names = [name for name in _names(look) if look.concerns(look.site.job_of(name))]
        found = look.aws.each(lambda name: cls._read(look, name, group.mark), names)
        yield from (each for each in found if each)

    @classmethod
    def _read(cls, look: Look, schedule_name: str, mark: Mark) -> Self | None:
        """None when it went meanwhile. Of one to be removed it does not matter what it says."""
        job, group = look.site.job_of(schedule_name) or "", look.site.schedule_group
        answer: Mapping[str, Any] | None = {}
        if Address(cls.kind, job) in look.wanted:
            answer = look.aws.maybe("scheduler", "GetSchedule", GroupName=group, Name=schedule_name)
        if answer is None:
            return None
        target, retry = answer.get("Target", {}), answer.get("Target", {}).get("RetryPolicy", {})
        beside = {key: answer[key] for key in _BESIDE if answer.get(key)}
        return cls(
            name=job,
            mark=mark,
            schedule_name=schedule_name,
            group=group,
            target=target.get("Arn", ""),
            role=target.get("RoleArn", ""),
            expression=answer.get("ScheduleExpression", ""),
            timezone=answer.get("ScheduleExpressionTimezone", "UTC"),
            flexible_minutes=answer.get("FlexibleTimeWindow", {}).get("MaximumWindowInMinutes"),
            event=_event(target.get("Input", "")),
            enabled=answer.get("State", "ENABLED") == "ENABLED",
            max_event_age=retry.get("MaximumEventAgeInSeconds", 86400),
            attempts=retry.get("MaximumRetryAttempts", _ATTEMPTS),
            beside=beside | ({"DeadLetterConfig": dead} if (dead := target.get("DeadLetterConfig")) else {}),
        )

    def needs(self) -> tuple[Address, ...]:
        return (
            Address("function", self.name),
            Address("schedule_role", self.name),
            Address("schedule_group", self.group),
        )

    def part_of(self) -> Address:
        return Address("function", self.name)

    def create(self) -> Iterator[Effect]:
        yield self._put("CreateSchedule")

    def update(self, found: Self) -> Iterator[Effect]:
        yield self._put("UpdateSchedule")

    def delete(self) -> Iterator[Effect]:
        yield _call("DeleteSchedule", tolerate=_GONE, GroupName=self.group, Name=self.schedule_name)

    def _put(self, operation: str) -> Call:
        window: dict[str, Any] = {"Mode": "OFF"}
        if self.flexible_minutes is not None:
            window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": self.flexible_minutes}
        retry = {"MaximumEventAgeInSeconds": self.max_event_age, "MaximumRetryAttempts": self.attempts}
        return _call(
            operation,
            GroupName=self.group,
            Name=self.schedule_name,
            ScheduleExpression=self.expression,
            ScheduleExpressionTimezone=self.timezone,
            FlexibleTimeWindow=window,
            State="ENABLED" if self.enabled else "DISABLED",
            # One that is done stays: gone, it would be wanted, and made, again.
            ActionAfterCompletion="NONE",
            Target={
                "Arn": self.target,
                "RoleArn": self.role,
                "Input": self.event,
                "RetryPolicy": retry,
            },
        )


def _names(look: Look) -> list[str]:
    """The schedules in our group."""
    group = look.site.schedule_group
    listed = look.aws.maybe_pages("scheduler", "ListSchedules", "Schedules", GroupName=group)
    return [each["Name"] for each in listed or ()]


def _ours(look: Look, schedule: str) -> bool:
    job = look.site.job_of(schedule)
    return job is not None and (job in look.schedule_roles or Address("schedule", job) in look.wanted)


def _scheduled(deployments: Deployments) -> Iterator[tuple[Job, Declared]]:
    for each in deployments.jobs:
        if each.job.schedule is not None:
            yield each.job, each.job.schedule


def _trust(site: Site) -> dict[str, Any]:
    """Scheduler, for our group only: it names the group as the source, never a schedule (user guide,
    "Confused deputy prevention")."""
    source = {"aws:SourceAccount": site.account, "aws:SourceArn": site.schedule_group_arn}
    statement = {
        "Sid": "Scheduler",
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": source},
    }
    return normal({"Version": "2012-10-17", "Statement": [statement]})


def _invoke(function: str) -> dict[str, Any]:
    statement = {"Sid": "Run", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    return normal({"Version": "2012-10-17", "Statement": [statement]})


def _event(text: str) -> str:
    try:
        return written(json.loads(text))
    except ValueError:
        return text  # not one of ours


def _call(operation: str, *, tolerate: frozenset[str] = frozenset(), **parameters: Any) -> Call:
    return Call(service="scheduler", operation=operation, parameters=parameters, tolerate=tolerate)


def _passed(site: Site) -> Mapping[str, Any]:
    """A schedule's role goes to Scheduler and to nothing else; a job's role never does."""
    to = {"iam:PassedToService": "scheduler.amazonaws.com"}
    return {"Resource": site.schedule_role_arn("*"), "Condition": {"StringEquals": to}}


GROUP = Reach(sid="ScheduleGroup", limits=lambda site: {"Resource": site.schedule_group_arn})
SCHEDULES = Reach(sid="Schedules", limits=lambda site: {"Resource": site.schedule_arn("*")})
PASSED = Reach(sid="RolesForScheduler", limits=_passed)
# Of all three kinds; what their roles need besides stands with a job's role.
PERMISSIONS = Permissions(
    reads={
        "scheduler.GetScheduleGroup": {"scheduler:GetScheduleGroup": GROUP},
        "scheduler.ListTagsForResource": {"scheduler:ListTagsForResource": GROUP},
        "scheduler.ListSchedules": {"scheduler:ListSchedules": ACCOUNT},
        "scheduler.GetSchedule": {"scheduler:GetSchedule": SCHEDULES},
    },
    writes={
        "scheduler.CreateScheduleGroup": {
            "scheduler:CreateScheduleGroup": GROUP,
            "scheduler:TagResource": GROUP,
        },
        "scheduler.TagResource": {"scheduler:TagResource": GROUP},
        # With a group go the schedules in it.
        "scheduler.DeleteScheduleGroup": {
            "scheduler:DeleteScheduleGroup": GROUP,
            "scheduler:DeleteSchedule": SCHEDULES,
        },
        "scheduler.CreateSchedule": {"scheduler:CreateSchedule": SCHEDULES, "iam:PassRole": PASSED},
        "scheduler.UpdateSchedule": {"scheduler:UpdateSchedule": SCHEDULES, "iam:PassRole": PASSED},
        "scheduler.DeleteSchedule": {"scheduler:DeleteSchedule": SCHEDULES},
    },
)
