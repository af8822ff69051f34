"""The administrator's template: what it grants, whom it trusts, and that it cannot grow by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from lambdactl.cli import run
from lambdactl.errors import UsageError
from lambdactl.kinds.role import policy
from lambdactl.setup import Trust, bootstrap, names
from lambdactl.setup.bootstrap import boundary_arn, role_arn
from lambdactl.site import Site
from tests.support.cloud import ACCOUNT, REGION, SITE, job
from tests.support.require import missing

TRUST = Trust(repository="acme/agents", environment="production")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"


def resources(site: Site = SITE, **options: Any) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(bootstrap(site, TRUST, **options))["Resources"]
    return {name: each.get("Properties", {}) for name, each in made.items()}


def statements(role: str, site: Site = SITE) -> list[dict[str, Any]]:
    (inline,) = resources(site)[role]["Policies"]
    found: list[dict[str, Any]] = inline["PolicyDocument"]["Statement"]
    return found


def actions(role: str, site: Site = SITE) -> set[str]:
    return {action for each in statements(role, site) for action in each["Action"]}


def trusted(role: str) -> Mapping[str, Any]:
    (statement,) = resources()[role]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert list(statement["Condition"]) == ["StringEquals"]
    condition: Mapping[str, Any] = statement["Condition"]["StringEquals"]
    assert condition["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    return condition


def test_it_is_the_same_each_time_and_parses() -> None:
    first, second = (bootstrap(SITE, TRUST, allowed_parameters=("/demo/*",)) for _ in range(2))
    assert first == second
    assert list(resources()) == ["Provider", "Boundary", "PlanRole", "ApplyRole"]


def test_the_plan_role_reads_only() -> None:
    reads = ("Get", "List", "Describe", "BatchGet")
    assert {each for each in actions("PlanRole") if not each.partition(":")[2].startswith(reads)} == set()
    assert all("*" not in action for action in actions("PlanRole") | actions("ApplyRole"))


@pytest.mark.parametrize("role", ["PlanRole", "ApplyRole"])
def test_no_workflow_reads_a_secret_or_runs_a_job(role: str) -> None:
    for action in actions(role):
        assert not action.startswith(("ssm:GetParameter", "secretsmanager:", "lambda:Invoke", "sts:"))
    assert not any(action.startswith("kms:") for action in actions(role))
    bucket = [each for each in statements(role) if "s3:GetObject" in each["Action"]]
    assert [each["Resource"] for each in bucket] == [f"{SITE.bucket_arn}/{SITE.own_prefix}*"]


def test_a_bucket_with_its_own_key_lets_apply_write_but_never_plan() -> None:
    site = replace(SITE, kms_key=KEY)
    assert not any(action.startswith("kms:") for action in actions("PlanRole", site))
    (key,) = (each for each in statements("ApplyRole", site) if each["Resource"] == KEY)
    assert key["Condition"] == {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}


def test_the_apply_role_can_only_make_bounded_roles_on_the_jobs_path() -> None:
    iam = [each for each in statements("ApplyRole") if any(a.startswith("iam:") for a in each["Action"])]
    jobs = f"arn:aws:iam::{ACCOUNT}:role/lambdactl/demo/main/*"
    (named,) = (each for each in iam if each["Sid"] == "RolesByName")  # also of other paths: read, no more
    assert named["Action"] == ["iam:GetRole"]
    others = [each for each in iam if each["Sid"] not in ("Account", "RolesByName")]
    assert {each["Resource"] for each in others} == {jobs, SITE.role_arn("*"), SITE.schedule_role_arn("*")}
    (bounded,) = (each for each in iam if "iam:CreateRole" in each["Action"])
    assert {"iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"} <= set(bounded["Action"])
    assert bounded["Condition"] == {"ArnEquals": {"iam:PermissionsBoundary": boundary_arn(SITE)}}
    passed = {each["Resource"]: each["Condition"] for each in iam if "iam:PassRole" in each["Action"]}
    assert passed == {
        SITE.role_arn("*"): {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        SITE.schedule_role_arn("*"): {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
    }


def test_the_apply_role_cannot_lift_the_boundary_nor_destroy_data() -> None:
    granted = actions("ApplyRole")
    for action in granted:
        assert not fnmatchcase(action, "iam:*PolicyVersion")
        assert action not in {"iam:DeleteRolePermissionsBoundary", "iam:AttachRolePolicy", "iam:CreatePolicy"}
        assert action not in {"ecr:DeleteRepository", "ecr:BatchDeleteImage", "logs:DeleteLogGroup"}
    for what in ("plan", "apply"):
        assert not fnmatchcase(role_arn(SITE, what), f"arn:aws:iam::{ACCOUNT}:role{SITE.role_path}*")


def test_the_roles_fit_into_what_iam_takes() -> None:
    for role in ("PlanRole", "ApplyRole"):
        assert len(json.dumps(statements(role), separators=(",", ":"))) < 10_000
        sids = [each["Sid"] for each in statements(role)]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)
        assert len(json.dumps(resources()[role]["AssumeRolePolicyDocument"])) < 2048


def test_only_this_repository_is_trusted_each_role_in_its_own_place() -> None:
    subject = "token.actions.githubusercontent.com:sub"
    assert trusted("PlanRole")[subject] == [
        "repo:acme/agents:pull_request",
        "repo:acme/agents:ref:refs/heads/main",
    ]
    assert trusted("ApplyRole")[subject] == [
        "repo:acme/agents:environment:production",
        "repo:acme/agents:environment:production-changed",
    ]


def test_a_branch_that_names_the_environments_is_not_trusted() -> None:
    assert trusted("ApplyRole")["token.actions.githubusercontent.com:ref"] == "refs/heads/main"
    assert "token.actions.githubusercontent.com:ref" not in trusted("PlanRole")
    beyond = resources(replace(SITE, region="cn-north-1"))["ApplyRole"]["AssumeRolePolicyDocument"]
    (statement,) = beyond["Statement"]  # AWS knows this claim in its commercial regions only
    assert ":ref" not in "".join(statement["Condition"]["StringEquals"])


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (
            "main",
            ("'production' and 'production-changed'", "LAMBDACTL_PLAN_ROLE ", "_ENVIRONMENT  production-"),
        ),
        ("prod", ("'prod' and 'prod-changed'", "LAMBDACTL_PROD_PLAN_ROLE ", "_ENVIRONMENT  prod-changed")),
    ],
)
def test_it_says_what_github_needs_and_first_of_all_reviewers(
    environment: str, says: tuple[str, ...]
) -> None:
    trust = Trust(repository="acme/agents", environment=names.github_environment(environment))
    header = bootstrap(replace(SITE, environment=environment), trust).partition("AWSTemplate")[0]
    assert all(each in header for each in says)
    assert header.index("-changed' requires reviewers") < header.index("aws cloudformation deploy")


def test_a_repository_with_ids_is_trusted_as_githubs_newer_tokens_spell_it() -> None:
    trust = Trust(repository="acme@12/agents@34", environment="production")
    assert trust.appliers[0] == "repo:acme@12/agents@34:environment:production"
    assert "gh api" not in bootstrap(SITE, trust)
    assert "gh api repos/acme/agents --jq" in bootstrap(SITE, TRUST)


@pytest.mark.parametrize(
    ("repository", "environment"),
    [
        ("agents", "production"),
        ("acme/*", "production"),
        ("acme/agents:x", "production"),
        ("acme@12/agents", "production"),
        ("acme/agents", "*"),
        ("acme/agents", ""),
    ],
)
def test_wildcards_and_half_names_are_refused(repository: str, environment: str) -> None:
    with pytest.raises(UsageError):
        Trust(repository=repository, environment=environment)


@pytest.mark.parametrize("kms_key", ["", KEY])
def test_every_job_fits_below_the_boundary(kms_key: str) -> None:
    site = replace(SITE, kms_key=kms_key)
    limits = resources(site, allowed_parameters=("/agents/*",))["Boundary"]["PolicyDocument"]["Statement"]
    granted = policy(job(), site)["Statement"]
    assert granted
    for action, resource in ((a, r) for each in granted for a in listed(each["Action"]) for r in where(each)):
        assert permitted(limits, action, resource), (action, resource)


def test_the_boundary_stops_what_no_job_may_do() -> None:
    limits = resources(allowed_parameters=("/agents/*",))["Boundary"]["PolicyDocument"]["Statement"]
    definitions = f"{SITE.bucket_arn}/{SITE.definitions_prefix('triage')}x.json"
    assert permitted(limits, "s3:GetObject", definitions)
    assert not permitted(limits, "s3:PutObject", definitions)
    assert not permitted(limits, "ssm:GetParameters", SITE.parameter_arn("/other/token"))
    assert not permitted(limits, "s3:GetObject", "arn:aws:s3:::another/key")
    assert not permitted(limits, "s3:DeleteObject", f"{SITE.bucket_arn}/triage/x")


def test_only_scheduler_and_a_job_itself_invoke_and_only_this_projects_functions() -> None:
    limits = resources()["Boundary"]["PolicyDocument"]["Statement"]
    invoking, itself = (each for each in limits if any(a.startswith("lambda:") for a in each["Action"]))
    assert invoking["Action"] == ["lambda:InvokeFunction"]
    assert invoking["Resource"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo-main-*"
    pattern = invoking["Condition"]["ArnLike"]["aws:PrincipalArn"]
    assert fnmatchcase(SITE.schedule_role_arn("triage"), pattern)
    assert not fnmatchcase(SITE.role_arn("triage"), pattern)
    own = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo-main-${{aws:PrincipalTag/lambdactl:legs}}"
    assert itself["Resource"] == own


def test_without_allowed_parameters_it_says_that_the_boundary_is_wide() -> None:
    assert "allows every SSM parameter" in bootstrap(SITE, TRUST)
    assert "allows every SSM parameter" not in bootstrap(SITE, TRUST, allowed_parameters=("/demo/*",))


@pytest.mark.parametrize("kms_key", ["", KEY])
def test_cfn_lint_knows_every_action_and_property(kms_key: str) -> None:
    text = bootstrap(replace(SITE, kms_key=kms_key), TRUST, allowed_parameters=("/demo/*",))
    assert linted(text) == []
    # That it looks at actions at all:
    assert "tagtherole" in str(linted(text.replace("iam:TagRole", "iam:TagTheRole"))).lower()


def test_the_stack_can_be_created(moto_server: str) -> None:
    session = boto3.Session(ACCOUNT, "made-up", region_name=REGION)
    formation = session.client("cloudformation", endpoint_url=moto_server)
    formation.create_stack(
        StackName="bootstrap",
        TemplateBody=bootstrap(SITE, TRUST),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": "CreateProvider", "ParameterValue": "no"}],
    )
    try:
        outputs = formation.describe_stacks(StackName="bootstrap")["Stacks"][0]["Outputs"]
        found = {each["OutputKey"]: each["OutputValue"] for each in outputs}
        assert found == {
            "PlanRole": role_arn(SITE, "plan"),
            "ApplyRole": role_arn(SITE, "apply"),
            "Boundary": boundary_arn(SITE),
        }
    finally:
        formation.delete_stack(StackName="bootstrap")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "jobs").mkdir()
    settings = f'project: demo\naccount: "{ACCOUNT}"\nregion: {REGION}\nbucket: {SITE.bucket}\n'
    (tmp_path / "lambdactl.yaml").write_text(settings)
    arguments = ["bootstrap", "--root", str(tmp_path), "--repo", "acme/agents"]
    assert run([*arguments, "--print"]) == 0
    assert capsys.readouterr().out == bootstrap(SITE, TRUST)
    assert run(arguments) == 64
    assert run(["bootstrap", "--print", "--root", str(tmp_path)]) == 64
    assert "--repo OWNER/NAME" in capsys.readouterr().err


def test_the_command_trusts_the_environment_of_the_same_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs").mkdir()
    settings = (
        f'project: demo\naccount: "{ACCOUNT}"\nregion: {REGION}\nenvironments: {{ dev: {{}}, prod: {{}} }}\n'
    )
    (tmp_path / "lambdactl.yaml").write_text(settings)
    arguments = ["bootstrap", "--print", "--root", str(tmp_path), "--repo", "acme/agents", "--env", "prod"]
    assert run(arguments) == 0
    assert "repo:acme/agents:environment:prod-changed" in capsys.readouterr().out
    assert run([*arguments, "--github-environment", "live"]) == 0
    assert "repo:acme/agents:environment:live-changed" in capsys.readouterr().out


def test_without_credentials_it_says_that_it_needs_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "jobs").mkdir()
    (tmp_path / "lambdactl.yaml").write_text(f"project: demo\nregion: {REGION}\n")
    assert run(["bootstrap", "--print", "--root", str(tmp_path), "--repo", "acme/agents"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "set `account:` in lambdactl.yaml, and AWS is not asked" in said.err


def linted(text: str) -> list[str]:
    """What cfn-lint finds wrong; its advice on style (I...) left out."""
    try:
        from cfnlint.api import lint_all  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        missing("cfn-lint", "uv sync")
    return [str(each) for each in lint_all(text) if not each.rule.id.startswith("I")]


def permitted(limits: list[dict[str, Any]], action: str, resource: str) -> bool:
    """IAM's rule without conditions: some statement allows it, none denies it."""
    effects = {each["Effect"] for each in limits if applies(each, action, resource)}
    return effects == {"Allow"}


def applies(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    return action in statement["Action"] and any(fnmatchcase(resource, each) for each in where(statement))


def where(statement: Mapping[str, Any]) -> Iterator[str]:
    yield from listed(statement["Resource"])


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
