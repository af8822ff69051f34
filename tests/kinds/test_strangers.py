"""What others leave beside ours, or set in it: not shown where it may be secret, and never removed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdactl.deployment import Deployment, Deployments
from lambdactl.manifest.job import Agent, Schedule
from lambdactl.reconcile import plan
from lambdactl.report import plan as report
from lambdactl.sandbox.front import Front, Next, Request, Response
from lambdactl.sandbox.identify import identify
from lambdactl.scope import Scope
from tests.kinds.test_team import FUNCTION, apply, kinds
from tests.support.cloud import ACCOUNT, SITE, Cloud, StrictCloud, deployments, job

ON_MOTO = pytest.mark.parametrize("cloud", ["moto"], indirect=True)
ON_MINISTACK = pytest.mark.parametrize("cloud", ["ministack"], indirect=True)
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}


def defined(document: dict[str, Any]) -> Deployments:
    return Deployments(site=SITE, jobs=(Deployment(job=job(), image="a" * 32, definition=document),))


def role_elsewhere(cloud: Cloud) -> str:
    iam = cloud.client("iam")
    made = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(made["Role"]["Arn"])


def test_what_somebody_put_into_the_environment_is_never_shown(cloud: Cloud) -> None:
    wanted, client = deployments(job()), cloud.client("lambda")
    assert apply(cloud, wanted) == []
    ours = client.get_function(FunctionName=FUNCTION)["Configuration"]["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=FUNCTION, Environment={"Variables": {**ours, "DB_PASSWORD": "hunter2"}}
    )
    made = plan(cloud.aws(), wanted)
    for text in (report.text(made).plain, report.comment(made), report.json_(made)):
        assert "DB_PASSWORD" in text
        assert "hunter2" not in text
    assert apply(cloud, wanted) == []
    assert plan(cloud.aws(), wanted).steps == ()


@ON_MOTO
def test_a_role_made_elsewhere_is_told_and_is_in_the_fingerprint(cloud: Cloud) -> None:
    mild, admin = (
        plan(cloud.aws(), deployments(job(role=f"arn:aws:iam::{ACCOUNT}:role/{name}")))
        for name in ("mild", "admin")
    )
    assert f'role: "arn:aws:iam::{ACCOUNT}:role/admin"' in report.text(admin).plain
    assert mild.fingerprint != admin.fingerprint
    assert "    role: " not in report.text(plan(cloud.aws(), deployments(job()))).plain


@ON_MOTO
def test_protection_holds_beside_an_own_role_of_before(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job("kept"), job())) == []
    assert apply(cloud, deployments(job("kept", role=role_elsewhere(cloud), protect=True), job())) == []
    made = plan(cloud.aws(), deployments(job()), Scope(prune=True))
    assert made.steps == ()
    assert "function" in kinds(made.protected)


def test_a_job_whose_role_is_made_elsewhere_is_found_in_a_large_account(strict_cloud: StrictCloud) -> None:
    cloud, arn = strict_cloud, role_elsewhere(strict_cloud)
    cloud.clock.sleep(600)
    gone = [job("gone", role=arn), job("kept", role=arn, protect=True)]
    assert apply(cloud, deployments(job(), *gone)) == []
    behind = replace(cloud, url=cloud.upstream).client("lambda")  # so many that no bulk read pays
    image = behind.get_function(FunctionName=FUNCTION)["Code"]["ImageUri"]
    for number in range(200):
        behind.create_function(
            FunctionName=f"theirs-{number}", Role=arn, PackageType="Image", Code={"ImageUri": image}
        )
    cloud.record.reset()
    made = plan(cloud.aws(), deployments(job()), Scope(prune=True))
    assert cloud.record.calls["lambda.ListFunctions"] == 0
    assert {str(step.address) for step in made.steps} == {"function.gone", "definition.gone"}
    assert kinds(made.protected) == {"function", "definition"}


@ON_MOTO
def test_a_schedule_taken_out_goes_also_when_its_job_becomes_protected(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(schedule=Schedule(expression="rate(1 hour)")))) == []
    assert apply(cloud, deployments(job(protect=True))) == []
    assert plan(cloud.aws(), deployments(job(protect=True))).steps == ()


@pytest.mark.parametrize("name", ["triage/insights", "x#y", "Upper_case", "a" * 60])
def test_a_log_group_that_no_job_can_have_is_somebody_elses(cloud: Cloud, name: str) -> None:
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    cloud.client("logs").create_log_group(logGroupName=f"/aws/lambda/{SITE.function(name)}")
    cloud.record.reset()
    made = plan(cloud.aws(), wanted, Scope(prune=True, prune_logs=True))
    assert (made.steps, made.kept) == ((), ())
    assert cloud.record.calls["lambda.GetFunction"] == 0  # AWS answers such a name with an error


def test_other_objects_beside_definitions_are_not_read_and_not_removed(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(), job("gone"))) == []
    s3 = cloud.client("s3")
    keys = [f"{SITE.definitions_folder}{name}" for name in ("notes/readme.txt", "triage/z.json", "gone/z")]
    for key in keys:
        s3.put_object(Bucket=SITE.bucket, Key=key, Body=b'{"token": "hunter2"}')
    # By its name one of ours, by its content not.
    s3.put_object(
        Bucket=SITE.bucket, Key=SITE.definition_key("triage", "0" * 64), Body=b'{"token": "hunter2"}'
    )
    rest = defined({"version": 2})
    made = plan(cloud.aws(), rest, Scope(prune=True))
    assert "hunter2" not in report.text(made).plain
    assert "notes" not in {step.address.name for step in made.steps}
    assert apply(cloud, rest, prune=True) == []
    left = {each["Key"] for each in s3.list_objects_v2(Bucket=SITE.bucket)["Contents"]}
    assert set(keys) <= left


@ON_MOTO
@pytest.mark.parametrize(
    ("old", "new"), [({"a": {}}, {"a": {"b": None}}), ({"a": {"b": None}}, {"a": {}}), ({"a": 1}, {"a": 1.0})]
)
def test_what_python_takes_for_equal_is_another_definition(
    cloud: Cloud, old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert apply(cloud, defined(old)) == []
    assert apply(cloud, defined(new)) == []
    function = cloud.client("lambda").get_function(FunctionName=FUNCTION)["Configuration"]
    key = function["Environment"]["Variables"]["LAMBDACTL_DEFINITION"]
    assert cloud.client("s3").get_object(Bucket=SITE.bucket, Key=key)["Body"]


@ON_MOTO
def test_the_fingerprint_is_the_same_for_who_may_not_decrypt(cloud: Cloud) -> None:
    """With a key of the user's the plan role in CI may not, and the apply role expects its plan."""

    def wanted(prompt: str) -> Deployments:
        return deployments(job(agent=Agent(type="command", command=("true",), prompt=prompt)))

    def deny(request: Request, following: Next) -> Response:
        if identify(request) != ("s3", "GetObject"):
            return following(request)
        body = b"<Error><Code>AccessDenied</Code></Error>"
        return Response(status=403, headers=(("content-type", "application/xml"),), body=body)

    assert apply(cloud, wanted("one")) == []
    with Front(cloud.url, [deny]) as front:
        blind = plan(replace(cloud, url=front.url).aws(), wanted("two"))
    seen = plan(cloud.aws(), wanted("two"))
    assert report.text(blind).plain != report.text(seen).plain
    assert blind.fingerprint == seen.fingerprint
    assert seen.fingerprint != plan(cloud.aws(), wanted("three")).fingerprint


@ON_MINISTACK  # moto gives all images one digest
def test_an_image_that_came_into_use_since_the_plan_is_not_removed(cloud: Cloud) -> None:
    old, new = deployments(job(), image="a" * 32), deployments(job(), image="b" * 32)
    assert apply(cloud, old) == []
    assert apply(cloud, new) == []
    made = plan(cloud.aws(), new, Scope(prune=True, prune_images=0))
    assert kinds(step.address for step in made.steps) == {"image"}
    ids = cloud.client("ecr").list_images(repositoryName=SITE.repository)["imageIds"]
    digest = next(each["imageDigest"] for each in ids if each["imageTag"] == "a" * 32)
    cloud.client("lambda").create_function(
        FunctionName="theirs",
        Role=role_elsewhere(cloud),
        PackageType="Image",
        Code={"ImageUri": f"{SITE.repository_uri}@{digest}"},
    )
    assert "is used by a function" in " ".join(apply(cloud, new, made))
    assert len(cloud.client("ecr").list_images(repositoryName=SITE.repository)["imageIds"]) == 2


@ON_MINISTACK
def test_an_image_of_a_published_version_is_kept(cloud: Cloud) -> None:
    def with_version(request: Request, following: Next) -> Response:
        """Neither emulator lists versions as AWS does."""
        response = following(request)
        if identify(request) == ("lambda", "ListFunctions") and "FunctionVersion=ALL" in request.query:
            document = json.loads(response.body)
            document["Functions"].append({**document["Functions"][0], "Version": "1", "CodeSha256": digest})
            return replace(response, body=json.dumps(document).encode())
        return response

    old, new = deployments(job(), image="a" * 32), deployments(job(), image="b" * 32)
    assert apply(cloud, old) == []
    digest = cloud.client("lambda").get_function(FunctionName=FUNCTION)["Configuration"]["CodeSha256"]
    assert apply(cloud, new) == []
    scope = Scope(prune=True, prune_images=0)
    assert kinds(step.address for step in plan(cloud.aws(), new, scope).steps) == {"image"}
    with Front(cloud.url, [with_version]) as front:
        assert plan(replace(cloud, url=front.url).aws(), new, scope).steps == ()
