"""`apply` under exactly the policy that `permissions apply` prints, with IAM enforced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdactl import permissions
from lambdactl.aws import Aws
from lambdactl.kinds.look import STAMP_TAG
from lambdactl.reconcile import plan
from lambdactl.scope import Scope
from tests.iam.commands import applied
from tests.iam.policies import Grant, actions, grants, without
from tests.support.cloud import ACCOUNT, REGION
from tests.support.iam.gate import Enforced
from tests.support.life import BOUNDED, Stage, stages

SITE = replace(BOUNDED, kms_key=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234")
LIFE = stages(SITE)
APPLY = permissions.apply(SITE)
ME = "AKIAAPPLY"


def lived(cloud: Enforced, me: Aws) -> list[str]:
    """What went wrong in a project's life, up to the first stage that failed."""
    for stage in LIFE:
        stage.before(cloud, SITE)
        if wrong := applied(me, stage.wanted):
            return wrong
    return unlike(cloud, LIFE[-1])


def unlike(cloud: Enforced, stage: Stage) -> list[str]:
    """Where AWS is not as the stage wants it, read in full: no stamp vouches for anything."""
    for each in stage.wanted.jobs:
        name = SITE.role(each.job.name)
        cloud.client("iam").untag_role(RoleName=name, TagKeys=[STAMP_TAG])
    found = plan(cloud.aws(), stage.wanted, Scope(prune=True)).steps
    return [f"{step.address}: {step.deltas}" for step in found if step.address.kind != "stamp"]


@pytest.fixture(scope="module")
def me(enforcing: Enforced) -> Aws:
    """One whose policy changes from test to test; the clients are made once."""
    return enforcing.who(ME, APPLY)


def test_apply_succeeds_under_exactly_the_printed_policy(enforced: Enforced, me: Aws) -> None:
    enforced.gate.admit(ME, APPLY)
    assert lived(enforced, me) == []
    assert enforced.denied(ME) == set()
    assert {ask.action for ask in enforced.gate.asked[ME]} == actions(APPLY)


@pytest.mark.parametrize("grant", grants(APPLY), ids=str)
def test_apply_fails_with_any_one_action_taken_out(enforced: Enforced, me: Aws, grant: Grant) -> None:
    enforced.gate.admit(ME, without(APPLY, grant))
    wrong = lived(enforced, me)
    assert enforced.denied(ME) == {grant.action}
    assert wrong
