"""What whoever applies can not do, with IAM enforced: grow, read secrets, start jobs, destroy data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lambdactl import permissions
from lambdactl.kinds.role import trust
from lambdactl.setup.bootstrap import role_arn
from tests.iam.policies import assert_denied
from tests.support.cloud import ACCOUNT, job
from tests.support.iam.gate import Enforced
from tests.support.iam.simulator import Ask, Caller, Simulator
from tests.support.life import BOUNDED as SITE

APPLY = permissions.apply(SITE)
ME = "AKIAAPPLY"
NAME = SITE.role("triage")
TRUST = json.dumps(trust(job()))
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ANYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


@pytest.fixture
def iam(enforced: Enforced) -> Any:
    enforced.gate.admit(ME, APPLY)
    return enforced.client_of(ME, "iam")


def a_role(**changes: str) -> dict[str, str]:
    bound = {"Path": SITE.role_path, "PermissionsBoundary": SITE.permissions_boundary}
    made = {"RoleName": NAME, "AssumeRolePolicyDocument": TRUST, **bound, **changes}
    return {key: value for key, value in made.items() if value}


def test_a_role_is_made_with_the_boundary_and_on_the_jobs_path_or_not_at_all(iam: Any) -> None:
    assert_denied(iam.create_role, **a_role(PermissionsBoundary=""))
    assert_denied(iam.create_role, **a_role(PermissionsBoundary=ADMINISTRATOR))
    assert_denied(iam.create_role, **a_role(Path="/"))
    assert_denied(iam.create_role, **a_role(Path="/lambdactl/demo/other/"))
    iam.create_role(**a_role())


def test_a_boundary_stays(iam: Any) -> None:
    iam.create_role(**a_role())
    assert_denied(iam.delete_role_permissions_boundary, RoleName=NAME)
    assert_denied(iam.put_role_permissions_boundary, RoleName=NAME, PermissionsBoundary=ADMINISTRATOR)
    assert_denied(iam.attach_role_policy, RoleName=NAME, PolicyArn=ADMINISTRATOR)


def test_a_role_without_the_boundary_gets_no_rights(enforced: Enforced, iam: Any) -> None:
    enforced.client("iam").create_role(**a_role(PermissionsBoundary=""))
    put = {"RoleName": NAME, "PolicyName": "job", "PolicyDocument": ANYTHING}
    assert_denied(iam.put_role_policy, **put)
    iam.put_role_permissions_boundary(RoleName=NAME, PermissionsBoundary=SITE.permissions_boundary)
    iam.put_role_policy(**put)  # which the boundary holds down


def test_it_cannot_change_its_own_role_nor_the_boundary(enforced: Enforced, iam: Any) -> None:
    own = role_arn(SITE, "apply").rpartition("/")[2]
    enforced.client("iam").create_role(**a_role(RoleName=own, Path="/lambdactl-ci/"))
    assert_denied(iam.put_role_policy, RoleName=own, PolicyName="apply", PolicyDocument=ANYTHING)
    assert_denied(iam.update_assume_role_policy, RoleName=own, PolicyDocument=TRUST)
    assert_denied(iam.delete_role, RoleName=own)
    # The gate knows no managed policies: no action on one is in the policy.
    assert not [each for each in APPLY["Statement"] if any("PolicyVersion" in one for one in each["Action"])]


def test_a_job_cannot_get_another_role(enforced: Enforced) -> None:
    enforced.gate.admit(ME, APPLY)
    function = {
        "FunctionName": SITE.function("triage"),
        "PackageType": "Image",
        "Code": {"ImageUri": f"{SITE.repository_uri}@sha256:{'0' * 64}"},
    }
    create = enforced.client_of(ME, "lambda").create_function
    for role in ("role/admin", "role/lambdactl/demo/other/demo-other-x", "role/lambdactl-ci/demo.main.apply"):
        assert_denied(create, Role=f"arn:aws:iam::{ACCOUNT}:{role}", **function)
    assert enforced.denied(ME) == {"iam:PassRole"}
    foreign = {**function, "Code": {"ImageUri": f"{SITE.registry}/another@sha256:{'0' * 64}"}}
    assert_denied(create, Role=SITE.role_arn("triage"), **foreign)


@pytest.mark.parametrize(
    ("service", "allowed"),
    [("lambda.amazonaws.com", True), ("ec2.amazonaws.com", False), ("ecs-tasks.amazonaws.com", False)],
)
def test_a_jobs_role_is_passed_to_lambda_alone(simulator: Simulator, service: str, allowed: bool) -> None:
    me = Caller(arn=role_arn(SITE, "apply"), policies=(APPLY,), boundary={})
    passing = Ask(
        action="iam:PassRole", resource=SITE.role_arn("triage"), context=(("iam:PassedToService", service),)
    )
    assert simulator.allows(me, passing) is allowed


REFUSED: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("logs", "delete_log_group", {"logGroupName": SITE.log_group("triage")}),
    ("logs", "create_log_group", {"logGroupName": "/aws/lambda/other"}),
    ("ecr", "delete_repository", {"repositoryName": SITE.repository}),
    ("ecr", "batch_delete_image", {"repositoryName": SITE.repository, "imageIds": [{"imageTag": "a" * 32}]}),
    ("ecr", "set_repository_policy", {"repositoryName": "another", "policyText": ANYTHING}),
    ("s3", "delete_bucket", {"Bucket": SITE.bucket}),
    ("s3", "put_object", {"Bucket": SITE.bucket, "Key": "triage/x", "Body": b""}),
    ("s3", "get_object", {"Bucket": SITE.bucket, "Key": "triage/x"}),
    ("s3", "put_object", {"Bucket": SITE.bucket, "Key": ".lambdactl/demo/other/jobs/x/1.json", "Body": b""}),
    ("ssm", "get_parameters", {"Names": ["/agents/triage/token"], "WithDecryption": True}),
    ("ssm", "put_parameter", {"Name": "/agents/triage/token", "Value": "x", "Type": "String"}),
    ("lambda", "invoke", {"FunctionName": SITE.function("triage")}),
    ("lambda", "delete_function", {"FunctionName": "demo-other-triage"}),
    ("sts", "assume_role", {"RoleArn": SITE.role_arn("triage"), "RoleSessionName": "me"}),
)


@pytest.mark.parametrize(("service", "operation", "parameters"), REFUSED)
def test_it_destroys_no_data_reads_no_secret_and_starts_nothing(
    enforced: Enforced, service: str, operation: str, parameters: Mapping[str, Any]
) -> None:
    enforced.gate.admit(ME, APPLY)
    assert_denied(getattr(enforced.client_of(ME, service), operation), **parameters)
