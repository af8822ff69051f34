"""The table of IAM actions against the calls that plan and apply really make, and those the kinds could."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import lambdactl
from lambdactl.deployment import Deployments
from lambdactl.engine import Failed
from lambdactl.manifest.job import Agent, Schedule
from lambdactl.reconcile import carry_out, plan
from lambdactl.scope import Scope
from lambdactl.secrets import missing_notes
from lambdactl.setup.permissions import PUSH, READS, WITHHELD, WRITES
from lambdactl.site import Site
from tests.support.cloud import ACCOUNT, SITE, Cloud, builder, deployments, job

SERVICES = ("ecr", "iam", "lambda", "logs", "s3", "scheduler", "ssm", "sts")
PACKAGE = Path(lambdactl.__file__).parent
CLIENT = PACKAGE / "aws" / "client.py"  # whose account it is, and what an object holds
BOUNDED = replace(SITE, permissions_boundary=f"arn:aws:iam::{ACCOUNT}:policy/boundary")
NOT_OURS = {"ecr.PutImage"}  # the tests' stand-in for a push


def calls(cloud: Cloud) -> set[str]:
    """What was called since this was last asked."""
    made = {call for call in cloud.record.calls if call.partition(".")[0] in SERVICES}
    cloud.record.reset()
    return made - NOT_OURS


def applied(cloud: Cloud, wanted: Deployments, site: Site = SITE) -> set[str]:
    """The calls that it took to make `wanted` true."""
    calls(cloud)
    aws = cloud.aws()
    events = list(carry_out(aws, wanted, plan(aws, wanted, Scope(prune=True)), builder(cloud)))
    assert [str(event.error) for event in events if isinstance(event, Failed)] == []
    missing_notes(aws, [each.job for each in wanted.jobs])
    return calls(cloud)


def tamper(cloud: Cloud) -> None:
    """Somebody changes by hand what plan must find and apply must mend."""
    iam, ecr, name = cloud.client("iam"), cloud.client("ecr"), SITE.function("triage")
    policy = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
    trust = policy.replace('"Resource": "*"', '"Principal": {"Service": "ec2.amazonaws.com"}').replace(
        '"*"', '"sts:AssumeRole"'
    )
    arn = iam.create_policy(PolicyName="boundary", PolicyDocument=policy)["Policy"]["Arn"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=policy)
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    ecr.put_image_tag_mutability(repositoryName=SITE.repository, imageTagMutability="MUTABLE")
    cloud.client("logs").delete_retention_policy(logGroupName=SITE.log_group("triage"))


def lived(cloud: Cloud) -> set[str]:
    """The calls of a project's life: made, changed, tampered with, shrunk."""
    agent = Agent(type="command", command=("true",), prompt="another")
    hourly, daily = Schedule(expression="rate(1 hour)"), Schedule(expression="rate(1 day)")
    made = applied(cloud, deployments(job(tags={"team": "a"}, schedule=hourly), job("gone")))
    changed = job(agent=agent, timeout=60, concurrency=5, schedule=daily)
    made |= applied(cloud, deployments(changed, image="b" * 32))
    tamper(cloud)
    return made | applied(cloud, deployments(job(retries=0), site=BOUNDED), BOUNDED)


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_every_call_of_plan_and_apply_is_in_the_table(cloud: Cloud) -> None:
    made = lived(cloud)
    assert made <= READS.keys() | WRITES.keys()
    # And all of the table is needed; what is found without our tags is refused, so none is tagged again.
    assert WRITES.keys() - made == {"ecr.TagResource", "s3.PutBucketTagging", "scheduler.TagResource"}


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_a_plan_makes_only_the_calls_of_the_plan_role(cloud: Cloud) -> None:
    lived(cloud)
    changed = deployments(job(timeout=61, concurrency=9), job("new"), site=BOUNDED)
    aws = cloud.aws()
    plan(aws, changed, Scope(prune=True))
    missing_notes(aws, [each.job for each in changed.jobs])
    assert calls(cloud) <= READS.keys()


def test_the_table_is_the_operations_that_the_kinds_name() -> None:
    """Also those that no test above happens to make: every operation named in their source, or for them."""
    beside = (PACKAGE / name for name in ("secrets.py", "cell.py", "history.py"))
    named = set().union(*map(operations, [*PACKAGE.glob("kinds/*.py"), *beside, CLIENT]))
    tabled = {name.partition(".")[2] for table in (READS, WRITES) for name in table}
    withheld = {name.partition(".")[2] for name in WITHHELD}
    by_people = {"PutParameter"}  # `secrets set`: no value passes through a workflow
    assert named == tabled | withheld | by_people
    assert not withheld & tabled


def test_the_image_is_pushed_with_the_rights_for_it() -> None:
    assert "GetAuthorizationToken" in operations(PACKAGE / "publish.py")
    assert "ecr.GetAuthorizationToken" in PUSH


def operations(source: Path) -> set[str]:
    """Every string in a module that is the name of an AWS operation."""
    nodes = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str)} & known()


@cache
def known() -> set[str]:
    import botocore.session

    session = botocore.session.get_session()
    return {name for service in SERVICES for name in session.get_service_model(service).operation_names}
