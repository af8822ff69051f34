"""The roles that apply made for a job, with IAM enforced: its own parameters, definitions, prefix, and
nothing else; that of its schedule may start it, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.bucket import PART, Bucket
from agent.store import StoreError
from lambdactl.kinds.look import LEGS_TAG
from lambdactl.kinds.role import POLICY_NAME, Role
from lambdactl.kinds.role import policy as role_policy
from lambdactl.manifest.job import Agent, Schedule
from lambdactl.policies import normal
from lambdactl.reconcile import carry_out, plan
from lambdactl.setup.boundary import boundary
from tests.iam.policies import assert_denied
from tests.support.cloud import ACCOUNT, REGION, builder, deployments, job
from tests.support.iam.gate import Enforced
from tests.support.iam.simulator import Ask, Caller, Simulator
from tests.support.life import BOUNDED

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
SITE = replace(BOUNDED, kms_key=KEY)
BUCKET, OTHERS = SITE.bucket_arn, "arn:aws:s3:::another-bucket"
OWN, OTHER = "/agents/triage/token", "/agents/other/token"
ME, CLOCKWORK = "AKIATRIAGE", "AKIASCHEDULE"  # the job, and what starts it by its schedule
BOUNDARY = boundary(SITE, ("/agents/*",))
VIA_SSM = {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"}
VIA_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
SSM_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c"
STREAM = "log-stream:2026/11/25/[$LATEST]1"


def of(name: str) -> dict[str, str]:
    return {"kms:EncryptionContext:PARAMETER_ARN": SITE.parameter_arn(name)}


# action, resource, what AWS says about the request
ALLOWED: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("s3:PutObject", f"{BUCKET}/triage/run/result.json", {}),
    ("s3:GetObject", f"{BUCKET}/triage/run/result.json", {}),
    ("s3:AbortMultipartUpload", f"{BUCKET}/triage/run/big", {}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": "triage/run/"}),
    ("s3:GetObject", f"{BUCKET}/{SITE.definitions_prefix('triage')}0.json", {}),
    ("kms:Decrypt", KEY, VIA_S3),
    ("kms:GenerateDataKey", KEY, VIA_S3),
    ("ssm:GetParameters", SITE.parameter_arn(OWN), {}),
    ("kms:Decrypt", SSM_KEY, {**VIA_SSM, **of(OWN)}),
    ("logs:CreateLogStream", f"{SITE.log_group_arn('triage')}:{STREAM}", {}),
    ("logs:PutLogEvents", f"{SITE.log_group_arn('triage')}:{STREAM}", {}),
)
DENIED: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    # No byte outside its prefix, and none of another's.
    ("s3:PutObject", f"{BUCKET}/other/run/result.json", {}),
    ("s3:PutObject", f"{BUCKET}/triage", {}),
    ("s3:PutObject", f"{BUCKET}/triage2/x", {}),
    ("s3:PutObject", f"{BUCKET}/x/triage/x", {}),
    ("s3:PutObject", f"{OTHERS}/triage/x", {}),
    ("s3:PutObject", f"{BUCKET}/{SITE.definitions_prefix('triage')}0.json", {}),
    ("s3:PutObject", f"{BUCKET}/{SITE.own_prefix}lock.json", {}),
    ("s3:GetObject", f"{BUCKET}/other/run/result.json", {}),
    ("s3:GetObject", f"{BUCKET}/{SITE.definitions_prefix('other')}0.json", {}),
    ("s3:GetObject", f"{BUCKET}/{SITE.own_prefix}lock.json", {}),
    ("s3:DeleteObject", f"{BUCKET}/triage/run/result.json", {}),
    ("s3:PutObjectAcl", f"{BUCKET}/triage/run/result.json", {}),
    ("s3:PutBucketPolicy", BUCKET, {}),
    ("s3:ListBucket", BUCKET, {}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": ""}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": "triage"}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": "other/"}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": SITE.own_prefix}),
    ("s3:ListAllMyBuckets", "*", {}),
    # No other parameter, and a key only as SSM or S3 uses it for this job.
    ("ssm:GetParameters", SITE.parameter_arn(OTHER), {}),
    ("ssm:GetParameters", SITE.parameter_arn(f"{OWN}s"), {}),
    ("ssm:GetParametersByPath", SITE.parameter_arn("/agents/triage"), {}),
    ("ssm:DescribeParameters", "*", {}),
    ("ssm:PutParameter", SITE.parameter_arn(OWN), {}),
    ("kms:Decrypt", SSM_KEY, {**VIA_SSM, **of(OTHER)}),
    ("kms:Decrypt", SSM_KEY, of(OWN)),
    ("kms:Decrypt", SSM_KEY, VIA_SSM),
    ("kms:Decrypt", KEY, {}),
    ("kms:Decrypt", SSM_KEY, VIA_S3),
    ("kms:Encrypt", KEY, VIA_S3),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:x-123456", {}),
    # Its own log streams, and no groups.
    ("logs:PutLogEvents", f"{SITE.log_group_arn('other')}:{STREAM}", {}),
    ("logs:CreateLogGroup", SITE.log_group_arn("triage"), {}),
    ("logs:FilterLogEvents", SITE.log_group_arn("triage"), {}),
    # It assumes, passes and invokes nothing.
    ("sts:AssumeRole", SITE.role_arn("triage"), {}),
    ("sts:AssumeRole", SITE.role_arn("other"), {}),
    ("iam:PassRole", SITE.role_arn("triage"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:PutRolePolicy", SITE.role_arn("triage"), {"iam:PermissionsBoundary": SITE.permissions_boundary}),
    ("iam:GetRole", SITE.role_arn("triage"), {}),
    ("lambda:InvokeFunction", SITE.function_arn("triage"), {}),
    ("lambda:InvokeFunction", SITE.function_arn("other"), {}),
    ("lambda:UpdateFunctionCode", SITE.function_arn("triage"), {}),
    ("ecr:BatchGetImage", SITE.repository_arn, {}),
    ("ec2:TerminateInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0", {}),
)


@pytest.fixture(scope="module")
def world(enforcing: Enforced) -> Iterator[Enforced]:
    """Two jobs, applied; the key `ME` has the role that apply made for one of them, boundary and all."""
    enforcing.empty()
    aws = enforcing.aws()
    scheduled = job(schedule=Schedule(expression="rate(1 hour)"))
    wanted = deployments(scheduled, job("other"), site=SITE)
    list(carry_out(aws, wanted, plan(aws, wanted), builder(enforcing, SITE)))
    for name in (OWN, OTHER):
        enforcing.client("ssm").put_parameter(Name=name, Value=f"of {name}", Type="SecureString")
    for key in ("triage/run/input.json", "other/run/input.json"):
        enforcing.client("s3").put_object(Bucket=SITE.bucket, Key=key, Body=b"{}")
    made = policy_of(enforcing, SITE.role("triage"), POLICY_NAME)
    assert normal(made) == normal(role_policy(job(), SITE))
    enforcing.gate.admit(ME, made, BOUNDARY, arn=SITE.role_arn("triage"))
    starting = policy_of(enforcing, SITE.schedule_role("triage"), "schedule")
    enforcing.gate.admit(CLOCKWORK, starting, BOUNDARY, arn=SITE.schedule_role_arn("triage"))
    yield enforcing
    enforcing.empty()


SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/us.{SONNET}"
THROUGH = {"bedrock:InferenceProfileArn": PROFILE}
MODELS: tuple[tuple[str, str, Mapping[str, str], bool], ...] = (
    ("bedrock:InvokeModel", PROFILE, {}, True),
    ("bedrock:InvokeModelWithResponseStream", PROFILE, {}, True),
    (
        "bedrock:InvokeModelWithResponseStream",
        f"arn:aws:bedrock:us-west-2::foundation-model/{SONNET}",
        THROUGH,
        True,
    ),
    ("bedrock:InvokeModel", f"arn:aws:bedrock:us-west-2::foundation-model/{SONNET}", {}, False),
    ("bedrock:InvokeModel", f"arn:aws:bedrock:us-west-2::foundation-model/{SONNET}x", THROUGH, False),
    ("bedrock:InvokeModel", PROFILE.replace("sonnet", "opus"), {}, False),
    ("bedrock:InvokeModel", PROFILE.replace(ACCOUNT, "999999999999"), {}, False),
    ("bedrock:CreateInferenceProfile", PROFILE, {}, False),
    ("bedrock:ListFoundationModels", "*", {}, False),
)


@pytest.mark.parametrize(("action", "resource", "context", "allowed"), MODELS)
def test_a_job_on_bedrock_invokes_its_model_and_no_other(
    simulator: Simulator, action: str, resource: str, context: Mapping[str, str], allowed: bool
) -> None:
    own = job(agent=Agent(type="claude-code", provider="bedrock", model=f"us.{SONNET}"))
    ask = Ask(action=action, resource=resource, context=tuple(context.items()))
    for bound in ({}, BOUNDARY):
        me = Caller(arn=SITE.role_arn("triage"), policies=(role_policy(own, SITE),), boundary=bound)
        assert simulator.allows(me, ask) is allowed
    other = Caller(arn=SITE.role_arn("triage"), policies=(role_policy(job(), SITE),), boundary={})
    assert not simulator.allows(other, ask)


def policy_of(world: Enforced, role: str, name: str) -> Any:
    return world.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]


def may(simulator: Simulator, what: tuple[str, str, Mapping[str, str]], **bound: Any) -> bool:
    me = Caller(arn=SITE.role_arn("triage"), policies=(role_policy(job(), SITE),), boundary=bound)
    action, resource, context = what
    return simulator.allows(me, Ask(action=action, resource=resource, context=tuple(context.items())))


# A job that may go on in further legs: what is added, and what is not.
LONG = job(timeout=7200, legs=9, agent=Agent(type="codex"))
TAGGED = {"aws:PrincipalTag/lambdactl:legs": "triage"}
ADDED: tuple[tuple[str, str], ...] = (
    ("lambda:InvokeFunction", SITE.function_arn("triage")),
    ("s3:DeleteObject", f"{BUCKET}/triage/run/checkpoint/2/000001.tar"),
    ("s3:DeleteObjectVersion", f"{BUCKET}/triage/run/checkpoint/2/000001.tar"),
)
NOT_ADDED: tuple[tuple[str, str], ...] = (
    ("lambda:InvokeFunction", SITE.function_arn("other")),
    ("lambda:InvokeFunction", f"{SITE.function_arn('triage')}2"),
    ("lambda:UpdateFunctionCode", SITE.function_arn("triage")),
    ("s3:DeleteObject", f"{BUCKET}/triage/run/result.json"),
    ("s3:DeleteObject", f"{BUCKET}/other/run/checkpoint/2/000001.tar"),
    ("s3:DeleteObjectVersion", f"{BUCKET}/triage/run/legs/1/leg.json"),
    ("s3:DeleteObject", f"{BUCKET}/{SITE.definitions_prefix('triage')}0.json"),
)


@pytest.mark.parametrize(("action", "resource"), [*ADDED, *NOT_ADDED])
def test_a_job_with_legs_invokes_itself_and_removes_checkpoints(
    simulator: Simulator, action: str, resource: str
) -> None:
    ask = Ask(action=action, resource=resource, context=tuple(TAGGED.items()))
    for limits in ({}, BOUNDARY):
        me = Caller(arn=SITE.role_arn("triage"), policies=(role_policy(LONG, SITE),), boundary=limits)
        assert simulator.allows(me, ask) is ((action, resource) in ADDED)
        plain = Caller(arn=SITE.role_arn("triage"), policies=(role_policy(job(), SITE),), boundary=limits)
        assert not simulator.allows(plain, ask)


def test_the_boundary_lets_a_role_invoke_what_its_tag_names_and_nothing_else(simulator: Simulator) -> None:
    """Whatever its policy says: without the tag no function, with it the job's own."""
    own, other = (("lambda:InvokeFunction", SITE.function_arn(name)) for name in ("triage", "other"))
    assert widened(simulator, SITE.role_arn("triage"), *own, TAGGED)
    assert not widened(simulator, SITE.role_arn("triage"), *own)
    assert not widened(simulator, SITE.role_arn("triage"), *other, TAGGED)
    lock = f"{BUCKET}/.lambdactl/demo/checkpoint/x"
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
        assert not widened(simulator, SITE.role_arn("triage"), action, lock)
        assert not widened(simulator, SITE.role_arn("triage"), action, f"{BUCKET}/triage/run/result.json")


def test_only_a_role_of_a_job_with_legs_carries_the_tag() -> None:
    long, plain = Role.wanted(deployments(LONG, job("other"), site=SITE))
    assert (long.tags[LEGS_TAG], LEGS_TAG in plain.tags) == ("triage", False)


@pytest.mark.parametrize("what", ALLOWED, ids=lambda what: what[0])
def test_what_a_job_needs_is_allowed_and_fits_below_the_boundary(simulator: Simulator, what: Any) -> None:
    assert may(simulator, what)
    assert may(simulator, what, **BOUNDARY)


@pytest.mark.parametrize("what", DENIED, ids=lambda what: what[0])
def test_nothing_else_is(simulator: Simulator, what: Any) -> None:
    assert not may(simulator, what)


@pytest.mark.parametrize(
    "what", [each for each in DENIED if each[0] in ("kms:Decrypt", "iam:PassRole", "lambda:InvokeFunction")]
)
def test_the_boundary_alone_keeps_a_widened_role_from(simulator: Simulator, what: Any) -> None:
    assert not widened(simulator, SITE.role_arn("triage"), *what)


INVOKE = ("lambda:InvokeFunction", SITE.function_arn("other"))


def test_only_schedules_roles_may_invoke_under_the_boundary(simulator: Simulator) -> None:
    clockwork, path = SITE.schedule_role_arn("triage"), SITE.schedule_role_path
    assert widened(simulator, clockwork, *INVOKE)
    assert not widened(simulator, SITE.role_arn("triage"), *INVOKE)
    # Nor one that looks like it: elsewhere, or of another environment.
    assert not widened(simulator, SITE.role_arn("triage.schedule"), *INVOKE)
    assert not widened(simulator, clockwork.replace(path, f"/x{path}"), *INVOKE)
    assert not widened(simulator, clockwork.replace("/demo/main/", "/demo/other/"), *INVOKE)
    foreign = SITE.function_arn("other").replace("demo-main", "demo-other")
    assert not widened(simulator, clockwork, "lambda:InvokeFunction", foreign)
    passing = {"iam:PassedToService": "scheduler.amazonaws.com"}
    assert not widened(simulator, clockwork, "iam:PassRole", clockwork, passing)
    assert not widened(simulator, clockwork, "sts:AssumeRole", SITE.role_arn("triage"))


def widened(
    simulator: Simulator, arn: str, action: str, resource: str, context: Mapping[str, str] | None = None
) -> bool:
    """What a role may do that somebody gave every right there is: what the boundary leaves of it."""
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    narrow = boundary(SITE, ("/agents/triage/*",))
    me = Caller(arn=arn, policies=(anything,), boundary=narrow)
    return simulator.allows(me, Ask(action=action, resource=resource, context=tuple((context or {}).items())))


def test_through_s3_itself(world: Enforced) -> None:
    s3, bucket = world.client_of(ME, "s3"), SITE.bucket
    s3.put_object(Bucket=bucket, Key="triage/run/result.json", Body=b"{}")
    assert s3.get_object(Bucket=bucket, Key="triage/run/input.json")["Body"].read() == b"{}"
    assert s3.list_objects_v2(Bucket=bucket, Prefix="triage/run/")["KeyCount"] == 2
    upload = s3.create_multipart_upload(Bucket=bucket, Key="triage/run/big")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="triage/run/big", UploadId=upload)
    definitions = SITE.definitions_prefix("triage")
    found = world.client("s3").list_objects_v2(Bucket=bucket, Prefix=definitions)["Contents"]
    body = s3.get_object(Bucket=bucket, Key=found[0]["Key"])["Body"].read()
    assert json.loads(body)["job"] == "triage"

    for key in ("other/x", "x", "triage2/x", found[0]["Key"], f"{SITE.own_prefix}lock.json"):
        assert_denied(s3.put_object, Bucket=bucket, Key=key, Body=b"")
        assert_denied(s3.create_multipart_upload, Bucket=bucket, Key=key)
    theirs = SITE.definitions_prefix("other")
    others = world.client("s3").list_objects_v2(Bucket=bucket, Prefix=theirs)["Contents"]
    for key in ("other/run/input.json", others[0]["Key"]):
        assert_denied(s3.get_object, Bucket=bucket, Key=key)
    for prefix in ("", "other/", "triage", SITE.own_prefix, theirs):
        assert_denied(s3.list_objects_v2, Bucket=bucket, Prefix=prefix)
    assert_denied(s3.list_objects_v2, Bucket=bucket)
    assert_denied(s3.get_object, Bucket=bucket, Key="triage/run/absent.json")  # not even whether it is there


def test_a_large_artifact_needs_no_other_right(world: Enforced, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(3 * PART))
    store = Bucket(SITE.bucket, world.client_of(ME, "s3"))
    store.open("triage/", "run")
    store.put("artifacts/large", file, "application/octet-stream")
    head = world.client("s3").head_object(Bucket=SITE.bucket, Key="triage/run/artifacts/large")
    assert head["ContentLength"] == 3 * PART
    assert head["ETag"].endswith('-3"')
    store.open("other/", "run")
    with pytest.raises(StoreError, match="AccessDenied"):
        store.put("artifacts/large", file, "application/octet-stream")


def test_through_ssm_itself(world: Enforced) -> None:
    ssm = world.client_of(ME, "ssm")
    (found,) = ssm.get_parameters(Names=[OWN], WithDecryption=True)["Parameters"]
    assert found["Value"] == f"of {OWN}"
    assert_denied(ssm.get_parameters, Names=[OTHER], WithDecryption=True)
    assert_denied(ssm.get_parameters, Names=[OWN, OTHER], WithDecryption=True)
    assert_denied(ssm.get_parameter, Name=OWN)
    assert_denied(ssm.get_parameters_by_path, Path="/agents")


def test_through_lambda_itself_a_schedule_starts_its_job_and_a_job_nothing(world: Enforced) -> None:
    me, clockwork = (world.client_of(key, "lambda") for key in (ME, CLOCKWORK))
    event = {"InvocationType": "Event", "Payload": b"{}"}
    assert clockwork.invoke(FunctionName=SITE.function("triage"), **event)["StatusCode"] == 202
    for name in ("other", "triage"):
        assert_denied(me.invoke, FunctionName=SITE.function(name), **event)
    assert_denied(clockwork.invoke, FunctionName=SITE.function("other"), **event)
    assert_denied(clockwork.get_function, FunctionName=SITE.function("triage"))


@pytest.mark.parametrize("what", [*ALLOWED, *DENIED], ids=lambda what: what[0])
def test_a_schedule_does_nothing_but_start_its_job(world: Enforced, simulator: Simulator, what: Any) -> None:
    action, resource, context = what
    starts = (action, resource) == ("lambda:InvokeFunction", SITE.function_arn("triage"))
    ask = Ask(action=action, resource=resource, context=tuple(context.items()))
    assert simulator.allows(world.gate.callers[CLOCKWORK], ask) is starts
