"""Schedules against emulated AWS: made, changed, removed with their field, and never anybody else's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Failed, Plan, Skipped
from lambdactl.manifest.job import SCHEDULED, Schedule
from lambdactl.policies import normal
from lambdactl.reconcile import carry_out, plan, plan_destroy
from lambdactl.sandbox.front import Next, Request, Response
from lambdactl.sandbox.identify import identify
from lambdactl.scope import Scope
from tests.kinds.test_other_hands import LostAnswers, behind
from tests.support.cloud import ACCOUNT, SITE, Cloud, builder, deployments, job

HOURLY = Schedule(expression="rate(1 hour)")
DAILY = Schedule(
    expression="cron(0 6 ? * MON-FRI *)",
    timezone="Europe/Berlin",
    flexible_minutes=15,
    input={"label": "nightly"},
)
IN_GROUP = {"GroupName": "demo-main", "Name": "demo-main-triage"}


def applied(cloud: Cloud, wanted: Deployments, made: Plan | None = None, **scope: Any) -> list[str]:
    """The steps that it took."""
    aws = cloud.aws()
    made = made or plan(aws, wanted, Scope(**scope))
    events = list(carry_out(aws, wanted, made, builder(cloud)))
    assert [str(event.error) for event in events if isinstance(event, Failed)] == []
    assert not [event for event in events if isinstance(event, Skipped)]
    return [f"{step.action} {step.address}" for step in made.steps]


def changed(made: Plan) -> list[str]:
    return [f"{step.address.kind}.{delta.field}" for step in made.steps for delta in step.deltas]


def scheduler_calls(cloud: Cloud) -> dict[str, int]:
    return {name: n for name, n in cloud.record.calls.items() if name.startswith("scheduler.")}


def test_a_schedule_is_made_as_the_manifest_says_after_what_it_needs(cloud: Cloud) -> None:
    wanted = deployments(job(schedule=DAILY))
    steps = applied(cloud, wanted)
    made = steps.index("create schedule.triage")
    for need in ("function.triage", "schedule_role.triage", "schedule_group.demo-main"):
        assert steps.index(f"create {need}") < made
    found = cloud.client("scheduler").get_schedule(**IN_GROUP)
    assert found["ScheduleExpression"] == "cron(0 6 ? * MON-FRI *)"
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert found["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert (found["State"], found["ActionAfterCompletion"]) == ("ENABLED", "NONE")
    target = found["Target"]
    assert target["Arn"] == SITE.function_arn("triage")
    assert json.loads(target["Input"]) == {
        "version": 1, "scheduled": SCHEDULED, "input": {"label": "nightly"},
    }  # fmt: skip
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 21600, "MaximumRetryAttempts": 185}
    cloud.record.reset()
    assert applied(cloud, wanted) == []
    assert cloud.writes() == []


def test_its_role_may_invoke_that_function_and_only_scheduler_may_be_it(cloud: Cloud) -> None:
    boundary = "arn:aws:iam::aws:policy/AdministratorAccess"
    site = replace(SITE, permissions_boundary=boundary)
    applied(cloud, deployments(job(schedule=HOURLY), site=site))
    iam, name = cloud.client("iam"), "demo-main-triage.schedule"
    role = iam.get_role(RoleName=name)["Role"]
    assert cloud.client("scheduler").get_schedule(**IN_GROUP)["Target"]["RoleArn"] == role["Arn"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/lambdactl/demo/main/schedule/{name}"
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    (trust,) = normal(role["AssumeRolePolicyDocument"])["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    group = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/demo-main"
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": group}}
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["schedule"]
    (may,) = normal(iam.get_role_policy(RoleName=name, PolicyName="schedule")["PolicyDocument"])["Statement"]
    assert (may["Action"], may["Resource"]) == ("lambda:InvokeFunction", SITE.function_arn("triage"))
    assert plan(cloud.aws(), deployments(job(schedule=HOURLY), site=site)).steps == ()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"expression": "cron(0 7 ? * MON-FRI *)"}, ["schedule.expression"]),
        ({"timezone": "UTC"}, ["schedule.timezone"]),
        ({"flexible_minutes": None}, ["schedule.flexible_minutes"]),
        ({"flexible_minutes": 60}, ["schedule.flexible_minutes"]),
        ({"input": {"label": "weekly"}}, ["schedule.event"]),
        ({"input": None}, ["schedule.event"]),
        ({"enabled": False}, ["schedule.enabled"]),
    ],
)
def test_one_change_is_one_difference_and_comes_true(
    cloud: Cloud, change: dict[str, Any], fields: list[str]
) -> None:
    applied(cloud, deployments(job(schedule=DAILY)))
    wanted = deployments(job(schedule=replace(DAILY, **change)))
    made = plan(cloud.aws(), wanted)
    assert changed(made) == fields
    assert applied(cloud, wanted, made) == ["update schedule.triage"]
    assert plan(cloud.aws(), wanted).steps == ()


def test_the_age_of_an_event_and_tags_reach_schedule_and_role(cloud: Cloud) -> None:
    applied(cloud, deployments(job(schedule=DAILY)))
    wanted = deployments(job(schedule=DAILY, max_event_age=600, tags={"team": "infra"}))
    made = plan(cloud.aws(), wanted)
    assert {"schedule.max_event_age", "schedule_role.tags.team"} <= set(changed(made))
    applied(cloud, wanted, made)
    assert plan(cloud.aws(), wanted).steps == ()


def test_removed_from_a_manifest_it_is_removed_without_prune(cloud: Cloud) -> None:
    """It would go on starting runs that git says nothing of."""
    applied(cloud, deployments(job(schedule=HOURLY), job("review", schedule=HOURLY)))
    one = deployments(job(), job("review", schedule=HOURLY))
    assert applied(cloud, one) == ["delete schedule.triage", "delete schedule_role.triage"]
    assert plan(cloud.aws(), one).steps == ()
    none = deployments(job(), job("review"))
    assert applied(cloud, none) == [
        "delete schedule.review",
        "delete schedule_group.demo-main",
        "delete schedule_role.review",
    ]
    made = plan(cloud.aws(), none)
    assert (made.steps, made.orphans) == ((), ())
    assert [each["Name"] for each in cloud.client("scheduler").list_schedule_groups()["ScheduleGroups"]] == [
        "default"
    ]


def test_with_its_job_it_is_removed_only_by_prune_and_the_group_waits_for_it(cloud: Cloud) -> None:
    applied(cloud, deployments(job(schedule=HOURLY), job("gone", schedule=HOURLY)))
    rest = deployments(job())
    assert applied(cloud, rest)[0] == "delete schedule.triage"
    left = plan(cloud.aws(), rest)
    assert left.steps == ()
    assert {Address("schedule", "gone"), Address("schedule_group", "demo-main")} <= set(left.orphans)
    assert cloud.client("scheduler").get_schedule(GroupName="demo-main", Name="demo-main-gone")
    applied(cloud, rest, prune=True)
    final = plan(cloud.aws(), rest)
    assert (final.steps, final.orphans) == ((), ())


def test_of_a_protected_job_it_is_removed_with_its_field_but_not_with_the_job(cloud: Cloud) -> None:
    applied(cloud, deployments(job(schedule=HOURLY, protect=True), job("review")))
    gone = plan(cloud.aws(), deployments(job("review")), Scope(prune=True, allow_mass_prune=True))
    assert gone.steps == ()
    assert {Address("schedule", "triage"), Address("schedule_group", "demo-main")} <= set(gone.protected)
    steps = applied(cloud, deployments(job(protect=True), job("review")))
    assert steps[0] == "delete schedule.triage"
    assert plan(cloud.aws(), deployments(job(protect=True), job("review"))).steps == ()


def test_a_schedule_that_others_put_into_our_group_keeps_it(cloud: Cloud) -> None:
    """With the group it would go, and nobody had asked for that."""
    applied(cloud, deployments(job(schedule=HOURLY)))
    scheduler = cloud.client("scheduler")
    ours = scheduler.get_schedule(**IN_GROUP)
    target = {"Arn": ours["Target"]["Arn"], "RoleArn": ours["Target"]["RoleArn"]}
    scheduler.create_schedule(
        GroupName="demo-main",
        Name="nightly-billing",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    assert applied(cloud, deployments(job())) == ["delete schedule.triage"]
    after = plan(cloud.aws(), deployments(job()), Scope(prune=True))
    assert after.steps == ()
    assert Address("schedule_group", "demo-main") in after.protected
    scheduler.delete_schedule(GroupName="demo-main", Name="nightly-billing")
    assert "delete schedule_group.demo-main" in applied(cloud, deployments(job()))


def test_many_may_lose_their_schedules_at_once(cloud: Cloud) -> None:
    """No job goes: it is no mass removal."""
    names = "abcdefgh"
    applied(cloud, deployments(*(job(name, schedule=HOURLY) for name in names)))
    applied(cloud, deployments(*(job(name) for name in names)))


def test_only_the_chosen_jobs_schedule_goes_and_the_group_is_not_lost(cloud: Cloud) -> None:
    applied(cloud, deployments(job(schedule=HOURLY), job("review")))
    rest = deployments(job(), job("review"))
    assert applied(cloud, rest, targets=("triage",)) == ["delete schedule.triage"]
    assert applied(cloud, rest) == ["delete schedule_group.demo-main", "delete schedule_role.triage"]


def test_destroy_takes_all_of_it(cloud: Cloud) -> None:
    wanted = deployments(job(schedule=HOURLY), job("review"))
    applied(cloud, wanted)
    steps = applied(cloud, wanted, plan_destroy(cloud.aws(), Deployments(site=SITE)))
    order = [steps.index(f"delete {kind}") for kind in (
        "schedule.triage", "schedule_group.demo-main", "schedule_role.triage",
    )]  # fmt: skip
    assert order == sorted(order)
    assert steps.index("delete schedule.triage") < steps.index("delete function.triage")
    assert cloud.client("iam").list_roles(PathPrefix=SITE.role_path)["Roles"] == []
    cloud.record.reset()
    assert plan_destroy(cloud.aws(), Deployments(site=SITE)).steps == ()
    assert scheduler_calls(cloud) == {}


def test_a_project_without_schedules_asks_scheduler_nothing(cloud: Cloud) -> None:
    wanted = deployments(job(), job("review"))
    applied(cloud, wanted)
    assert plan(cloud.aws(), wanted).steps == ()
    assert scheduler_calls(cloud) == {}


def test_only_what_is_scheduled_is_read_one_by_one(cloud: Cloud) -> None:
    scheduled = [job(name, schedule=HOURLY) for name in ("a", "b", "c")]
    applied(cloud, deployments(*scheduled))
    cloud.record.reset()
    assert plan(cloud.aws(), deployments(*scheduled[:2], job("c"), job("d"))).steps
    assert scheduler_calls(cloud) == {
        "scheduler.GetScheduleGroup": 1,
        "scheduler.ListTagsForResource": 1,
        "scheduler.ListSchedules": 1,
        "scheduler.GetSchedule": 2,
    }


def test_a_foreign_group_or_role_under_our_names_is_refused(cloud: Cloud) -> None:
    scheduler = cloud.client("scheduler")
    scheduler.create_schedule_group(Name="demo-main")
    cloud.client("iam").create_role(
        RoleName=SITE.schedule_role("triage"), AssumeRolePolicyDocument='{"Statement": []}'
    )
    scheduler.create_schedule(
        **IN_GROUP,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": SITE.function_arn("triage"), "RoleArn": SITE.role_arn("other")},
    )
    made = plan(cloud.aws(), deployments(job(schedule=HOURLY)))
    assert {address.kind for address in made.refused} == {"schedule", "schedule_group", "schedule_role"}
    assert plan(cloud.aws(), deployments(job()), Scope(prune=True)).orphans == ()


def test_what_somebody_set_beside_it_is_a_difference_and_goes(cloud: Cloud) -> None:
    wanted = deployments(job(schedule=HOURLY))
    applied(cloud, wanted)
    scheduler = cloud.client("scheduler")
    found = scheduler.get_schedule(**IN_GROUP)
    keys = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State")
    queue = {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"}
    scheduler.update_schedule(
        **IN_GROUP,
        **{key: found[key] for key in keys},
        Target={**found["Target"], "DeadLetterConfig": queue, "Input": "not ours"},
        EndDate=4_000_000_000,
    )
    made = plan(cloud.aws(), wanted)
    assert changed(made) == ["schedule.event", "schedule.beside.DeadLetterConfig", "schedule.beside.EndDate"]
    applied(cloud, wanted, made)
    assert plan(cloud.aws(), wanted).steps == ()


def test_one_that_is_over_stays_as_it_is_and_quiet(cloud: Cloud) -> None:
    wanted = deployments(job(schedule=Schedule(expression="at(2020-01-01T00:00:00)", enabled=False)))
    applied(cloud, wanted)
    assert plan(cloud.aws(), wanted).steps == ()


def test_the_role_of_a_schedule_is_never_taken_for_that_of_a_job(cloud: Cloud) -> None:
    """Their names begin alike, and so do their paths."""
    wanted = deployments(job(schedule=HOURLY), job("triage-schedule"))
    steps = applied(cloud, wanted)
    assert {"create role.triage", "create role.triage-schedule", "create schedule_role.triage"} <= set(steps)
    one = deployments(job(schedule=HOURLY))
    gone = applied(cloud, one, prune=True)
    assert {step.partition(".")[2] for step in gone} == {"triage-schedule"}
    assert plan(cloud.aws(), one).steps == ()


class YoungRole:
    """A layer: Scheduler cannot assume the role at first, as AWS says it for seconds after CreateRole."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, request: Request, following: Next) -> Response:
        if identify(request)[1] != "CreateSchedule" or not self.left:
            return following(request)
        self.left -= 1
        text = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        headers = (("Content-Type", "application/json"), ("x-amzn-errortype", "ValidationException"))
        return Response(status=400, headers=headers, body=json.dumps({"Message": text}).encode())


def test_a_role_that_scheduler_cannot_assume_yet_is_waited_for(cloud: Cloud) -> None:
    young = YoungRole(3)
    with behind(cloud, young) as later:
        applied(later, deployments(job(schedule=HOURLY)))
    assert young.left == 0
    assert plan(cloud.aws(), deployments(job(schedule=HOURLY))).steps == ()


def test_answers_that_are_lost_after_the_write_are_healed_by_applying_again(cloud: Cloud) -> None:
    wanted = deployments(job(schedule=HOURLY))
    with behind(cloud, LostAnswers()) as flaky:
        for _ in range(6):
            aws = flaky.aws()
            list(carry_out(aws, wanted, plan(aws, wanted), builder(flaky)))
    assert plan(cloud.aws(), wanted).steps == ()


class Deleting:
    """A layer: the group is still there, but going: AWS takes its time over the schedules in it."""

    def __call__(self, request: Request, following: Next) -> Response:
        response = following(request)
        if identify(request)[1] != "GetScheduleGroup" or response.status != 200:
            return response
        return response.with_body(json.dumps({**json.loads(response.body), "State": "DELETING"}).encode())


def test_a_group_that_is_being_deleted_is_gone(cloud: Cloud) -> None:
    wanted = deployments(job(schedule=HOURLY))
    applied(cloud, wanted)
    with behind(cloud, Deleting()) as later:
        made = plan(later.aws(), wanted)
    assert [f"{step.action} {step.address}" for step in made.steps] == [
        "create schedule_group.demo-main",
        "create schedule.triage",
    ]


def test_what_is_gone_already_when_it_is_to_be_deleted_is_no_failure(cloud: Cloud) -> None:
    wanted = deployments(job(schedule=HOURLY))
    applied(cloud, wanted)
    late = plan_destroy(cloud.aws(), Deployments(site=SITE))
    cloud.client("scheduler").delete_schedule(**IN_GROUP)
    cloud.client("iam").delete_role_policy(RoleName=SITE.schedule_role("triage"), PolicyName="schedule")
    cloud.client("iam").delete_role(RoleName=SITE.schedule_role("triage"))
    applied(cloud, wanted, late)
