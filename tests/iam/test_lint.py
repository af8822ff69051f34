"""Every policy that lambdactl generates, in the eyes of the public linters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lambdactl import permissions
from lambdactl.kinds.repository import Repository
from lambdactl.kinds.role import policy, trust
from lambdactl.kinds.schedule import ScheduleRole
from lambdactl.manifest.job import Agent, Schedule
from lambdactl.setup import Trust
from lambdactl.setup.bootstrap import template
from lambdactl.site import Site
from tests.support.cloud import ACCOUNT, REGION, deployments, job
from tests.support.iam.simulator import Simulator
from tests.support.life import BOUNDED
from tests.support.require import missing

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
SITES = {
    "plain": BOUNDED,
    "key": replace(BOUNDED, kms_key=KEY),
    "china": replace(BOUNDED, region="cn-north-1"),
}
BEDROCK = Agent(type="claude-code", provider="bedrock", model="us.anthropic.claude-sonnet-4-5-20250929-v1:0")
MODELS = ("Model", "ModelOfProfile", "Models")
TRUSTED = Trust(repository="acme/agents", environment="production")
# What these auditors say of every policy that may do such a thing, whatever its limits. That is what
# applying is; the limits themselves (the boundary, PassedToService, the path) are proved in test_walls.
APPLYING = {"CREDENTIALS_EXPOSURE", "PERMISSIONS_MANAGEMENT_ACTIONS", "PRIVILEGE_ESCALATION"}


def generated(site: Site) -> dict[str, Mapping[str, Any]]:
    """The identity policies, by name."""
    narrow, wide = (template(site, TRUSTED, globs)["Resources"] for globs in (("/agents/*",), ()))
    return {
        "job": policy(job(), site),
        "job without secrets": policy(job(secrets={}), site),
        "job on Bedrock": policy(job(agent=BEDROCK), site),
        "job with legs": policy(job(legs=3), site),
        "schedule": schedule_role(site).policies["schedule"],
        "boundary": narrow["Boundary"]["Properties"]["PolicyDocument"],
        "boundary of all parameters": wide["Boundary"]["Properties"]["PolicyDocument"],
        "plan": permissions.plan(site),
        "PlanRole": narrow["PlanRole"]["Properties"]["Policies"][0]["PolicyDocument"],
        "apply": permissions.apply(site),
        "ApplyRole": narrow["ApplyRole"]["Properties"]["Policies"][0]["PolicyDocument"],
        "launch": permissions.launch(site, ["triage/", "other/"]),
    }


def schedule_role(site: Site) -> ScheduleRole:
    """Of a job that has a schedule."""
    scheduled = job(schedule=Schedule(expression="rate(1 hour)"))
    (found,) = ScheduleRole.wanted(deployments(scheduled, site=site))
    return found


POLICIES = [
    pytest.param(document, name, id=f"{name}-{kind}")
    for kind, site in SITES.items()
    for name, document in generated(site).items()
]


def findings(document: Mapping[str, Any]) -> set[str]:
    """What parliament finds, its community's auditors included."""
    try:
        from parliament import analyze_policy_string  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        missing("parliament", "uv sync")
    found = analyze_policy_string(json.dumps(document), include_community_auditors=True).findings
    return {each.issue for each in found}


@pytest.mark.parametrize(("document", "name"), POLICIES)
def test_parliament_finds_nothing(document: Mapping[str, Any], name: str) -> None:
    # Of InvokeModel it wants every kind of resource to be named at once; the simulator's linter knows better.
    statements = [each for each in document["Statement"] if each["Sid"] not in MODELS]
    found = findings({**document, "Statement": statements})
    assert found == (APPLYING if name in ("apply", "ApplyRole") else set())


def test_parliament_would_find_something() -> None:
    document = permissions.plan(BOUNDED)
    document["Statement"][0]["Action"].append("s3:GetObjekt")
    assert findings(document) == {"UNKNOWN_ACTION"}


@pytest.mark.parametrize(("document", "name"), POLICIES)
def test_nor_does_the_simulators_linter(simulator: Simulator, document: Mapping[str, Any], name: str) -> None:
    assert simulator.findings("identity", document) == []


def test_nor_in_the_policies_of_roles_and_the_repository(simulator: Simulator) -> None:
    """Which parliament does not know: they name no resource."""
    (repository,) = Repository.wanted(deployments(job(), site=BOUNDED))
    pull = {"Version": "2012-10-17", "Statement": [repository.pull_policy]}
    assert simulator.findings("resource", pull) == []
    assert simulator.findings("trust", trust(job())) == []
    people = ("arn:aws:iam::123456789012:role/Developers", "arn:aws:iam::123456789012:root")
    assert simulator.findings("trust", trust(job(local_principals=people))) == []
    for site in SITES.values():
        assert simulator.findings("trust", schedule_role(site).trust) == []


def test_the_simulators_linter_would_find_something(simulator: Simulator) -> None:
    found = simulator.findings("identity", {**permissions.plan(BOUNDED), "Version": "2012"})
    assert [each["path"] for each in found][:1] == ["Version"]
