"""`lambdactl permissions`: a document on standard output, from the project's files alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl import permissions
from lambdactl.cli import run
from tests.support.cloud import ACCOUNT, REGION, SITE
from tests.support.life import BOUNDED


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one job that says where it is; no credentials to be found."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "triage.yaml").write_text(
        'agent: {type: command, command: ["true"]}\nprefix: triage/\n'
    )
    settings = f'project: demo\naccount: "{ACCOUNT}"\nregion: {REGION}\nbucket: {SITE.bucket}\n'
    (tmp_path / "lambdactl.yaml").write_text(settings)
    return tmp_path


def bound(root: Path) -> None:
    with (root / "lambdactl.yaml").open("a") as settings:
        settings.write(f"permissionsBoundary: {BOUNDED.permissions_boundary}\n")


def test_it_prints_the_policies_that_are_proved(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bound(root)
    policies = {
        "plan": permissions.plan(BOUNDED),
        "apply": permissions.apply(BOUNDED),
        "launch": permissions.launch(BOUNDED, ["triage/"]),
    }
    for work, policy in policies.items():
        assert run(["permissions", work, "--root", str(root)]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out) == policy
        assert said.err == ""


def test_a_role_made_elsewhere_may_be_passed_to_lambda_and_nothing_else_be_done_to_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bound(root)
    role = f"arn:aws:iam::{ACCOUNT}:role/team/theirs"
    with (root / "jobs" / "triage.yaml").open("a") as manifest:
        manifest.write(f"role: {role}\n")
    assert run(["permissions", "apply", "--root", str(root)]) == 0
    statements = json.loads(capsys.readouterr().out)["Statement"]
    (about,) = (each for each in statements if role in str(each["Resource"]))
    assert (about["Action"], about["Resource"]) == (["iam:PassRole"], [role])
    assert about["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def test_without_a_boundary_there_is_no_policy_for_apply(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["permissions", "apply", "--root", str(root)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "permissionsBoundary" in said.err
    assert run(["permissions", "plan", "--root", str(root)]) == 0
    assert run(["permissions", "launch", "--root", str(root)]) == 0


def test_without_jobs_there_are_no_runs_to_read() -> None:
    policy = permissions.launch(SITE, [])
    assert [each["Sid"] for each in policy["Statement"]] == ["Bucket", "Functions"]


def test_it_says_when_iam_would_not_take_the_policy() -> None:
    long = permissions.launch(SITE, [f"{'x' * 50}{number}/" for number in range(100)])
    assert "6,144 in a managed policy" in permissions.oversize(long)
    full = replace(BOUNDED, kms_key=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234")
    assert permissions.oversize(permissions.apply(full)) == ""


@pytest.mark.parametrize("command", [("permissions", "plan"), ("bootstrap", "--print", "--repo", "a/b")])
def test_nobody_is_sent_to_the_sandbox_whose_account_is_none(
    root: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    (root / "lambdactl.yaml").write_text(f"project: demo\nregion: {REGION}\n")
    assert run([*command, "--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert "set `account:` in lambdactl.yaml" in said
    assert "log in to AWS first" in said
    assert "sandbox" not in said


@pytest.mark.parametrize("work", ["destroy", ""])
def test_other_work_is_refused(root: Path, work: str) -> None:
    assert run(["permissions", work, "--root", str(root)]) == 64
