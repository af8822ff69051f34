"""`--env` as a user meets it: never a wrong environment by accident, and each one apart in AWS."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.support.program import Program

TWO = """\
project: demo
sandbox: true
environments:
  dev: {}
  prod:
    account: "222222222222"
    region: eu-west-1
    jobs:
      hello:
        agent: { type: claude-code, model: m, prompt: Hi }
        secrets: { ANTHROPIC_API_KEY: /prod/key }
"""
OPENS = [
    ["plan", "--offline"],
    ["plan"],
    ["apply", "--yes"],
    ["destroy", "--yes"],
    ["launch", "hello"],
    ["runs"],
    ["show", "0" * 32],
    ["build"],
    ["run-local", "hello"],
    ["secrets", "list"],
    ["secrets", "set", "TOKEN"],
    ["bootstrap", "--print", "--repo", "acme/agents"],
]


@pytest.fixture
def two(lambdactl: Program) -> Program:
    (lambdactl.root / "lambdactl.yaml").write_text(TWO)
    return lambdactl


@pytest.mark.parametrize("argv", OPENS, ids=" ".join)
def test_a_command_that_names_no_environment_is_refused(two: Program, argv: list[str]) -> None:
    assert "--environment NAME or LAMBDACTL_ENV: dev, prod" in two(*argv, code=64).stderr
    flag = "--environment" if argv[0] == "run-local" else "--env"
    assert "there is no environment prd" in two(*argv, flag, "prd", code=64).stderr
    assert "there is no environment prd" in two(*argv, code=64, env={"LAMBDACTL_ENV": "prd"}).stderr


def test_validate_looks_at_all_or_at_one(two: Program) -> None:
    assert two("validate").stdout == "1 job is valid in dev, prod\n"
    (two.root / "lambdactl.yaml").write_text(TWO.replace("prompt: Hi", "prompt: Hi, maxTurns: 0"))
    assert two("validate", code=1).stdout.startswith("lambdactl.yaml:10:")
    (two.root / "lambdactl.yaml").write_text(TWO + "        timeout: 20m\n")
    assert "(in prod); " in two("validate", code=1).stdout
    assert "(in prod)" not in two("validate", "--env", "prod", code=1).stdout
    assert two("validate", "--env", "dev").stdout == "1 job is valid in dev\n"
    assert two("validate", env={"LAMBDACTL_ENV": "dev"}).stdout == "1 job is valid in dev\n"


def test_names_and_places_are_the_environments(two: Program) -> None:
    plans = {
        name: two("plan", "--offline", "--format", "json", env={"LAMBDACTL_ENV": name}).stdout
        for name in ("dev", "prod")
    }
    assert "demo-dev-000000000000-us-east-1" in plans["dev"]
    assert "demo-prod-222222222222-eu-west-1" in plans["prod"]
    template = yaml.safe_load(two("bootstrap", "--print", "--repo", "acme/agents", "--env", "prod").stdout)
    assert "arn:aws:lambda:eu-west-1:222222222222:function:demo-prod-" in json.dumps(template)


def test_the_lock_is_one_for_all_environments(two: Program) -> None:
    two("lock")
    locked = json.loads((two.root / "lambdactl.lock").read_text())["packages"]
    assert any("claude-code" in name for name in locked)


def test_two_environments_in_one_account_never_touch_each_other(two: Program) -> None:
    text = "project: demo\nsandbox: true\nenvironments: { dev: {}, prod: {} }\n"
    (two.root / "lambdactl.yaml").write_text(text)
    two("sandbox", "up", "--engine", "process")
    try:
        applied = two("apply", "--yes", "--env", "dev").stderr
        assert "environment: dev" in applied
        two("plan", "--env", "dev", "--detailed-exitcode")
        before = json.loads(two("plan", "--env", "prod", "--format", "json").stdout)
        assert {step["action"] for step in before["steps"]} == {"create"}
        two("apply", "--yes", "--env", "prod", "--prune")
        two("launch", "hello", "--input", "-", "--wait", "--env", "prod", input="7")
        assert "succeeded" in two("runs", "--env", "prod").stdout
        assert "hello" not in two("runs", "--env", "dev").stdout
        two("destroy", "--yes", "--env", "prod")
        two("plan", "--env", "dev", "--detailed-exitcode")
    finally:
        two("sandbox", "down", "--purge")
