"""The strict cloud whole: every layer is in it, and an apply passes as it would through AWS."""

from __future__ import annotations

import json

import pytest

from lambdactl.deployment import Deployments
from lambdactl.engine import Failed, Plan, Skipped
from lambdactl.reconcile import carry_out, plan
from tests.strict.conftest import TRUST, refused
from tests.support.cloud import SITE, StrictCloud, builder, deployments, job, strict_front
from tests.support.strict import KillAt, Options, Rates, VirtualClock
from tests.support.strict.young_roles import NOT_ASSUMED


def applied(cloud: StrictCloud, wanted: Deployments) -> Plan:
    aws = cloud.aws()
    made = plan(aws, wanted)
    events = list(carry_out(aws, wanted, made, builder(cloud)))
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
    told = [step for step in made.steps if step.address.kind != "stamp"]
    assert (again.steps, again.unchanged) == ((), len(told))
    assert strict_cloud.writes() == []


def test_a_change_of_code_and_settings_comes_true(strict_cloud: StrictCloud) -> None:
    applied(strict_cloud, deployments(job(), image="a" * 32))
    wanted = deployments(job(timeout=700), image="b" * 32)
    steps = {f"{step.action} {step.address.kind}" for step in applied(strict_cloud, wanted).steps}
    assert steps >= {"create image", "update function"}
    assert plan(strict_cloud.aws(), wanted).steps == ()


def test_every_layer_is_in_and_in_its_place(strict_cloud: StrictCloud) -> None:
    client, clock = strict_cloud.client("lambda"), strict_cloud.clock
    trust = {"AssumeRolePolicyDocument": json.dumps(TRUST)}
    role = strict_cloud.client("iam").create_role(RoleName="role", **trust)["Role"]["Arn"]
    strict_cloud.client("ecr").create_repository(repositoryName=SITE.repository)
    digest = builder(strict_cloud)("v1")
    settings = {
        "FunctionName": "f",
        "Role": role,
        "PackageType": "Image",
        "Code": {"ImageUri": f"{SITE.repository_uri}@{digest}"},
    }
    assert refused(client.create_function, **settings, Timeout=901)[1] == "ValidationException"
    assert refused(client.create_function, **settings)[2] == NOT_ASSUMED
    clock.sleep(60)
    absent = {**settings, "Code": {"ImageUri": f"{SITE.repository_uri}:absent"}}
    assert "does not exist" in refused(client.create_function, **absent)[2]
    made = client.create_function(**settings)
    assert (made["State"], made["CodeSha256"]) == ("Pending", digest.removeprefix("sha256:"))
    assert refused(client.update_function_configuration, FunctionName="f", Timeout=5)[0] == 409
    clock.sleep(60)
    (listed,) = client.list_functions()["Functions"]
    assert listed["RevisionId"] != made["RevisionId"]
    assert "State" not in listed
    stale = {"FunctionName": "f", "Timeout": 5, "RevisionId": made["RevisionId"]}
    assert refused(client.update_function_configuration, **stale)[0] == 412
    assert (
        refused(client.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=901)[0] == 400
    )
    assert refused(strict_cloud.client("iam").create_role, RoleName="ROLE", **trust)[0] == 409
    assert strict_cloud.record.calls["lambda.CreateFunction"] == 4  # what layers ask is not counted


def test_functions_can_be_made_to_fail_late(strict_cloud: StrictCloud) -> None:
    wanted = deployments(job())
    applied(strict_cloud, wanted)
    name = SITE.function("triage")
    strict_cloud.strict.states.fail_update(name)
    client = strict_cloud.client("lambda")
    client.update_function_configuration(FunctionName=name, Timeout=5)
    strict_cloud.clock.sleep(60)
    assert client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Failed"


def test_options_faults_and_outer_layers_before_what_is_there(strict_cloud: StrictCloud) -> None:
    """How a property or kill test looks at the same account through other layers."""
    struck: list[int] = []
    kill_at = KillAt(2, lambda: struck.append(kill_at.calls))
    options = Options(faults=Rates(dropped_before=1), faults_in_a_row=1, per_second={}, call_seconds=1)
    strict_cloud.client("ecr").create_repository(repositoryName=SITE.repository)
    with strict_front(strict_cloud.name, strict_cloud.upstream, options, outer=[kill_at]) as other:
        ecr = other.client("ecr")  # tries again by itself
        assert len(ecr.describe_repositories()["repositories"]) == 1
        assert (other.strict.faults.struck.total(), struck) == (1, [2])
        assert other.clock.now() == VirtualClock().now() + 2


def test_time_is_virtual_and_passes_with_each_call(strict_cloud: StrictCloud) -> None:
    before = strict_cloud.clock.now()
    strict_cloud.client("lambda").list_functions()
    assert strict_cloud.clock.now() == pytest.approx(before + 0.01)
