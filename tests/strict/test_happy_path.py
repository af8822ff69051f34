"""An apply passes through the strict cloud as it would through AWS, on both emulators."""

from __future__ import annotations

from lambdactl.deployment import Deployments
from lambdactl.engine import Failed, Plan, Skipped
from lambdactl.reconcile import carry_out, plan
from tests.support.cloud import SITE, StrictCloud, builder, deployments, job


def applied(cloud: StrictCloud, wanted: Deployments) -> Plan:
    aws = cloud.aws()
    made = plan(aws, wanted)
    events = list(carry_out(aws, SITE, made, builder(cloud)))
    assert [str(event.error) for event in events if isinstance(event, Failed)] == []
    assert not [event for event in events if isinstance(event, Skipped)]
    return made


def test_a_new_project_is_created_whole_and_the_second_apply_changes_nothing(
    strict_cloud: StrictCloud,
) -> None:
    wanted = deployments(job(), job("review", concurrency=5))
    made = applied(strict_cloud, wanted)
    strict_cloud.record.reset()
    again = applied(strict_cloud, wanted)
    assert (again.steps, again.unchanged) == ((), len(made.steps))
    assert strict_cloud.writes() == []


def test_a_change_of_code_and_settings_comes_true(strict_cloud: StrictCloud) -> None:
    applied(strict_cloud, deployments(job(), image="a" * 32))
    wanted = deployments(job(timeout=700), image="b" * 32)
    assert [step.action for step in applied(strict_cloud, wanted).steps] == ["create", "update"]
    assert plan(strict_cloud.aws(), wanted).steps == ()
