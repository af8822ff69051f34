"""`plan` under exactly the policy that `permissions plan` prints, with IAM enforced: it reads no secret."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdactl import permissions
from lambdactl.aws import Aws, Reader
from lambdactl.engine import Plan, World
from lambdactl.errors import AwsError
from lambdactl.kinds import Look
from lambdactl.manifest.job import Agent, Schedule
from lambdactl.reconcile import carry_out, plan, read
from lambdactl.scope import Scope
from lambdactl.secrets import missing_notes
from lambdactl.wanted import wanted as wanted_world
from tests.iam.policies import Grant, actions, assert_denied, grants, without
from tests.support.cloud import builder, deployments, job
from tests.support.iam.gate import Enforced
from tests.support.life import BOUNDED, stages

SITE = BOUNDED
MADE, CHANGED, TAMPERED = stages(SITE)
# With a prompt and a schedule that are nowhere yet: the plan reads the ones that they would replace.
NEW = Agent(type="command", command=("true",), prompt="new")
WANTED = deployments(job(retries=0, agent=NEW, schedule=Schedule(expression="rate(2 hours)")), site=SITE)
PLAN = permissions.plan(SITE)
ME = "AKIAPLAN"
# Without these a plan is made, and says less, or wrong things (tags look gone).
SHOWN = {"s3:GetObject", "lambda:ListTags"}
SECRET = "/agents/triage/token"


@pytest.fixture(scope="module")
def world(enforcing: Enforced) -> Iterator[Enforced]:
    """A project that somebody else applied, and a third tampered with. No test here changes it."""
    enforcing.empty()
    for stage in (MADE, CHANGED):
        aws = enforcing.aws()
        list(
            carry_out(aws, stage.wanted, plan(aws, stage.wanted, Scope(prune=True)), builder(enforcing, SITE))
        )
    TAMPERED.before(enforcing, SITE)
    enforcing.client("ssm").put_parameter(Name=SECRET, Value="hidden", Type="SecureString")
    enforcing.client("s3").put_object(Bucket=SITE.bucket, Key="triage/run/result.json", Body=b"{}")
    yield enforcing
    enforcing.empty()


@pytest.fixture(scope="module")
def me(world: Enforced) -> Aws:
    return world.who(ME, PLAN)


@pytest.fixture(scope="module")
def whole(world: Enforced) -> tuple[Plan, World]:
    """What somebody plans who may do everything."""
    return planned(world.aws())


def planned(me: Aws) -> tuple[Plan, World]:
    """The plan, and one job read by itself: so a plan reads roles where all in bulk would be more calls."""
    missing_notes(me, [each.job for each in WANTED.jobs])
    alone = Look(aws=Reader(me), deployments=WANTED, wanted=wanted_world(WANTED), only="triage")
    return plan(me, WANTED, Scope(prune=True)), read(alone)


def test_plan_succeeds_under_exactly_the_printed_policy(
    world: Enforced, me: Aws, whole: tuple[Plan, World]
) -> None:
    world.gate.admit(ME, PLAN)
    assert planned(me) == whole
    assert world.denied(ME) == set()
    assert {ask.action for ask in world.gate.asked[ME]} == actions(PLAN)


@pytest.mark.parametrize("grant", grants(PLAN), ids=str)
def test_plan_fails_or_shows_less_with_any_one_action_taken_out(
    world: Enforced, me: Aws, whole: tuple[Plan, World], grant: Grant
) -> None:
    world.gate.admit(ME, without(PLAN, grant))
    if grant.action in SHOWN:
        assert planned(me) != whole
    else:
        with pytest.raises(AwsError, match="AccessDenied"):
            planned(me)
    assert world.denied(ME) == {grant.action}


def test_whoever_plans_reads_no_secret_and_no_run_and_starts_nothing(world: Enforced, me: Aws) -> None:
    world.gate.admit(ME, PLAN)
    ssm, s3, lambda_ = (world.client_of(ME, service) for service in ("ssm", "s3", "lambda"))
    assert_denied(ssm.get_parameter, Name=SECRET)
    assert_denied(ssm.get_parameters, Names=[SECRET], WithDecryption=True)
    assert_denied(ssm.get_parameter_history, Name=SECRET)
    assert_denied(s3.get_object, Bucket=SITE.bucket, Key="triage/run/result.json")
    assert_denied(lambda_.invoke, FunctionName=SITE.function("triage"))


def test_whoever_plans_changes_nothing(world: Enforced, me: Aws) -> None:
    world.gate.admit(ME, PLAN)
    s3, iam, lambda_ = (world.client_of(ME, service) for service in ("s3", "iam", "lambda"))
    name, own = SITE.function("triage"), f"{SITE.own_prefix}jobs/triage/x.json"
    assert_denied(s3.put_object, Bucket=SITE.bucket, Key=own, Body=b"{}")
    assert_denied(s3.delete_object, Bucket=SITE.bucket, Key=own)
    assert_denied(iam.put_role_policy, RoleName=name, PolicyName="job", PolicyDocument="{}")
    assert_denied(lambda_.update_function_configuration, FunctionName=name, Timeout=1)
    assert_denied(lambda_.delete_function, FunctionName=name)


def test_whoever_plans_decrypts_nothing_that_a_key_of_ours_encrypts() -> None:
    assert not any(action.startswith("kms:") for action in actions(PLAN))


def test_a_role_that_is_not_there_is_absent_and_not_denied(world: Enforced, me: Aws) -> None:
    """IAM knows no path of it, so the policy must allow to ask by name alone."""
    world.gate.admit(ME, PLAN)
    assert me.maybe_call("iam", "GetRole", {"RoleName": SITE.role("absent")}) is None
    assert_denied(world.client_of(ME, "iam").get_role, RoleName="another")
