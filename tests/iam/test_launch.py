"""Launching and reading runs under exactly the policy that `permissions launch` prints, with IAM enforced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl import permissions
from lambdactl.aws import Aws
from lambdactl.errors import AwsError
from lambdactl.runners.lambda_ import launch
from lambdactl.runs import Place, Run, Runs, event, new_run_id
from tests.iam.policies import Grant, actions, assert_denied, grants, without
from tests.support.cloud import ACCOUNT, REGION
from tests.support.iam.gate import Enforced
from tests.support.life import BOUNDED

SITE = replace(BOUNDED, kms_key=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234")
LAUNCH = permissions.launch(SITE, ["triage/", "other/"])
ME = "AKIALAUNCH"
TRIAGE = Place(job="triage", prefix="triage/", timeout=600)


@pytest.fixture
def world(enforced: Enforced) -> Enforced:
    """An empty bucket that a key of the user's encrypts."""
    s3 = enforced.client("s3")
    s3.create_bucket(Bucket=SITE.bucket)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": SITE.kms_key}
    rules = [{"ApplyServerSideEncryptionByDefault": default}]
    s3.put_bucket_encryption(Bucket=SITE.bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    return enforced


def launched(world: Enforced, me: Aws, home: Path) -> Run:
    """Started, waited for, asked to end, and brought home."""
    run_id, runs = new_run_id(), Runs(me, SITE)
    launch(me, SITE.function("triage"), event(run_id))
    assert runs.one(TRIAGE, run_id).state == "queued"
    key = f"triage/{run_id}/request.json"
    world.client("s3").put_object(Bucket=SITE.bucket, Key=key, Body=b"{}")
    (run,) = runs.latest(TRIAGE, 5)
    runs.cancel(TRIAGE, run_id)
    assert [path.name for path in runs.download(run, home / run_id)] == ["cancel", "request.json"]
    return run


def test_launch_succeeds_under_exactly_the_printed_policy(world: Enforced, tmp_path: Path) -> None:
    me = world.who(ME, LAUNCH)
    assert launched(world, me, tmp_path).state == "running"
    assert world.denied(ME) == set()
    assert {ask.action for ask in world.gate.asked[ME]} == actions(LAUNCH)


@pytest.mark.parametrize("grant", grants(LAUNCH), ids=str)
def test_launch_fails_with_any_one_action_taken_out(world: Enforced, tmp_path: Path, grant: Grant) -> None:
    me = world.who(ME, without(LAUNCH, grant))
    with pytest.raises(AwsError, match="AccessDenied"):
        launched(world, me, tmp_path)
    assert world.denied(ME) == {grant.action}


def test_whoever_launches_writes_nothing_and_reads_runs_alone(world: Enforced) -> None:
    world.gate.admit(ME, LAUNCH)
    s3, lambda_, ssm = (world.client_of(ME, service) for service in ("s3", "lambda", "ssm"))
    for key in ("third/run/control/cancel", "triage/run/control/cancel/x", "triage/run/artifacts/cancel"):
        assert_denied(s3.put_object, Bucket=SITE.bucket, Key=key, Body=b"")
    for key in (f"{SITE.definitions_prefix('triage')}0.json", "third/run/result.json"):
        assert_denied(s3.get_object, Bucket=SITE.bucket, Key=key)
    assert_denied(s3.put_object, Bucket=SITE.bucket, Key="triage/run/result.json", Body=b"")
    assert_denied(lambda_.invoke, FunctionName="demo-other-triage")
    assert_denied(lambda_.update_function_configuration, FunctionName=SITE.function("triage"), Timeout=1)
    assert_denied(ssm.get_parameters, Names=["/agents/triage/token"], WithDecryption=True)
