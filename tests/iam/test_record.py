"""The lock, the record and the words of `drift` under the policies for plan and apply, with IAM enforced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdactl import history, lease, permissions
from lambdactl.applying import origins
from lambdactl.aws import Aws
from lambdactl.lease import Lease
from lambdactl.reconcile import plan
from lambdactl.scope import Scope
from lambdactl.site import Site
from tests.iam.commands import AUTHOR, applied
from tests.iam.policies import assert_denied
from tests.support.cloud import ACCOUNT, REGION, deployments, job
from tests.support.iam.gate import Enforced
from tests.support.life import BOUNDED

ME = "AKIARECORD"
KEYED = replace(BOUNDED, kms_key=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234")
POLICIES = {"plan": permissions.plan, "apply": permissions.apply}


def changed_by_hand(cloud: Enforced, site: Site) -> None:
    """Somebody applied, and somebody else changed something since."""
    assert applied(cloud.aws(), deployments(job(concurrency=5), site=site)) == []
    name = site.function("triage")
    cloud.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)


def told(me: Aws, site: Site) -> dict[str, str]:
    """Who changed what, as `drift` says it."""
    wanted = deployments(job(concurrency=5), site=site)
    found = origins(me, wanted, plan(me, wanted, Scope(full=True, prune=True, allow_mass_prune=True)))
    return {str(address): who for address, who in found.items() if address.kind != "stamp"}


@pytest.mark.parametrize(
    ("work", "site"), [("plan", BOUNDED), ("apply", BOUNDED), ("apply", KEYED)], ids=["plan", "apply", "key"]
)
def test_drift_and_history_are_told_to_who_may_plan_or_apply(
    enforced: Enforced, work: str, site: Site
) -> None:
    changed_by_hand(enforced, site)
    me = enforced.who(ME, POLICIES[work](site))
    assert told(me, site) == {"function.triage": "aws"}
    assert [record.status for record in history.latest(me, site, 20)] == ["complete"]
    assert lease.current(me, site) is None
    assert enforced.denied(ME) == set()


def test_who_may_not_decrypt_learns_what_differs_and_not_from_whom(enforced: Enforced) -> None:
    changed_by_hand(enforced, KEYED)
    me = enforced.who(ME, permissions.plan(KEYED))
    assert told(me, KEYED) == {"function.triage": "unknown"}
    assert enforced.denied(ME) == {"kms:Decrypt"}


def test_who_may_apply_may_unlock_and_who_may_plan_only_sees_the_lock(enforced: Enforced) -> None:
    enforced.client("s3").create_bucket(Bucket=BOUNDED.bucket)
    Lease.acquire(enforced.aws(), BOUNDED, AUTHOR, lease.Timing(start=lambda keep: None))  # and is killed
    me = enforced.who(ME, permissions.plan(BOUNDED))
    assert str(AUTHOR.who) in str(lease.current(me, BOUNDED))
    s3 = enforced.client_of(ME, "s3")
    assert_denied(s3.delete_object, Bucket=BOUNDED.bucket, Key=BOUNDED.apply_lock_key)
    enforced.gate.admit(ME, permissions.apply(BOUNDED))
    assert lease.unlock(me, BOUNDED) is not None
    assert lease.current(me, BOUNDED) is None
    assert enforced.denied(ME) == set()
