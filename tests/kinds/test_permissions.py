"""The lists of IAM actions against the calls that plan and apply really make, and those the kinds could."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

import lambdactl
from lambdactl import permissions
from lambdactl.deployment import Deployments
from lambdactl.engine import Failed
from lambdactl.grants import Permissions
from lambdactl.kinds import KINDS
from lambdactl.reconcile import carry_out, plan
from lambdactl.scope import Scope
from lambdactl.secrets import missing_notes
from tests.support.cloud import Cloud, builder, deployments, job
from tests.support.life import BOUNDED, stages

SERVICES = ("ecr", "iam", "lambda", "logs", "s3", "scheduler", "ssm", "sts")
PACKAGE = Path(lambdactl.__file__).parent
CLIENT = PACKAGE / "aws" / "client.py"  # whose account it is, and what an object holds
NOT_OURS = {"ecr.PutImage"}  # the tests' stand-in for a push
PUSH = {"Build", "ecr.GetAuthorizationToken"}  # what that stands in for
READS = set().union(*permissions.reads()) | {"sts.GetCallerIdentity"}  # which needs no permission
WRITES = set().union(*permissions.writes()) - PUSH
WITHHELD = set().union(*(each.withheld for each in permissions.listed()))


def calls(cloud: Cloud) -> set[str]:
    """What was called since this was last asked."""
    made = {call for call in cloud.record.calls if call.partition(".")[0] in SERVICES}
    cloud.record.reset()
    return made - NOT_OURS


def applied(cloud: Cloud, wanted: Deployments) -> set[str]:
    """The calls that it took to make `wanted` true."""
    calls(cloud)
    aws = cloud.aws()
    events = list(carry_out(aws, wanted, plan(aws, wanted, Scope(prune=True)), builder(cloud)))
    assert [str(event.error) for event in events if isinstance(event, Failed)] == []
    missing_notes(aws, [each.job for each in wanted.jobs])
    return calls(cloud)


def lived(cloud: Cloud) -> set[str]:
    """The calls of a project's life: made, changed, tampered with, shrunk."""
    made: set[str] = set()
    for stage in stages():
        stage.before(cloud, stage.wanted.site)
        made |= applied(cloud, stage.wanted)
    return made


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_every_call_of_plan_and_apply_is_listed(cloud: Cloud) -> None:
    made = lived(cloud)
    assert made <= READS | WRITES
    # And all that is listed is needed; what is found without our tags is refused, so none is tagged again.
    assert WRITES - made == {"ecr.TagResource", "scheduler.TagResource"}


@pytest.mark.parametrize("cloud", ["moto"], indirect=True)
def test_a_plan_makes_only_the_calls_of_the_plan_role(cloud: Cloud) -> None:
    lived(cloud)
    changed = deployments(job(timeout=61, concurrency=9), job("new"), site=BOUNDED)
    aws = cloud.aws()
    plan(aws, changed, Scope(prune=True))
    missing_notes(aws, [each.job for each in changed.jobs])
    assert calls(cloud) <= READS


def test_what_is_listed_is_the_operations_that_the_modules_name() -> None:
    """Also those that no test above happens to make: every operation named in their source, or for them."""
    beside = (PACKAGE / name for name in ("secrets.py", "cell.py", "history.py"))
    named = set().union(*map(operations, [*PACKAGE.glob("kinds/*.py"), *beside, CLIENT]))
    tabled = {name.partition(".")[2] for name in READS | WRITES}
    withheld = {name.partition(".")[2] for name in WITHHELD}
    by_people = {"PutParameter"}  # `secrets set`: no value passes through a workflow
    assert named == tabled | withheld | by_people
    assert not withheld & tabled


def test_each_kind_lists_only_what_its_own_module_calls() -> None:
    shared = operations(CLIENT) | operations(PACKAGE / "kinds" / "look.py")
    for kind in KINDS:
        module = sys.modules[kind.__module__]
        table: Permissions = module.PERMISSIONS
        listed = set().union(table.reads, table.writes, table.withheld) - PUSH
        assert {name.partition(".")[2] for name in listed} <= operations(Path(str(module.__file__))) | shared


def test_the_image_is_pushed_with_the_rights_for_it() -> None:
    assert "GetAuthorizationToken" in operations(PACKAGE / "publish.py")
    assert set().union(*permissions.writes()) >= PUSH


def operations(source: Path) -> set[str]:
    """Every string in a module that is the name of an AWS operation; its own list says "service.Name"."""
    nodes = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str)} & known()


@cache
def known() -> set[str]:
    import botocore.session

    session = botocore.session.get_session()
    return {name for service in SERVICES for name in session.get_service_model(service).operation_names}
