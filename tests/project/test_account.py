"""Credentials of another account than lambdactl.yaml's: AWS is asked whose they are, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdactl import cli
from lambdactl.credentials import Creds, own
from lambdactl.errors import Refused
from lambdactl.image.contents import RUNTIME, TOOLS
from lambdactl.lock import Lock
from lambdactl.project import Project
from lambdactl.runs import Run
from tests.support.cloud import ACCOUNT, REGION, Cloud
from tests.support.program import NO_BASE

WHEELS = {"python": "3.11", "requirements": {}}
RUN_ID = "019ad3c1-7a40-7000-8000-0242ac120002"
JOB = 'agent: {type: command, command: [x], env: {T: "${secrets.TOKEN}"}}\nsecrets: {TOKEN: /t}\nprefix: a/\n'


@pytest.fixture
def root(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project for another account; this machine's credentials and endpoint are the emulator's."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_CONFIG_FILE": "/nonexistent",
        "LAMBDACTL_BASE_IMAGE": NO_BASE,
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/a.yaml").write_text(JOB)
    (tmp_path / "lambdactl.lock").write_text(Lock(packages={str(RUNTIME): WHEELS, str(TOOLS): WHEELS}).dump())
    write(tmp_path, "999999999999")
    return tmp_path


def write(root: Path, account: str) -> None:
    environments = {"dev": {"account": ACCOUNT}, "prod": {"account": account}}
    settings = {"project": "demo", "region": REGION, "environments": environments}
    (root / "lambdactl.yaml").write_text(json.dumps(settings))


USES: dict[str, Callable[[Project], Any]] = {
    "plan": lambda project: project.plan(),
    "plan_destroy": lambda project: project.plan_destroy(),
    "push": lambda project: project.images.push(["a"]),
    "launch": lambda project: project.runs.launch("a"),
    "wait": lambda project: project.runs.wait(Run(id=RUN_ID, job="a", folder="", state="queued"), patience=0),
    "runs": lambda project: project.runs.latest(),
    "run": lambda project: project.runs.find(RUN_ID),
    "credentials": lambda project: own(project.aws),
    "site": lambda project: project.site,
}
COMMANDS = [
    ["secrets", "list"],
    ["secrets", "set", "TOKEN"],  # no value is asked for
    ["plan"],
    ["apply", "--yes"],
    ["destroy", "--yes"],
    ["launch", "a"],
    ["runs"],
    ["show", RUN_ID],
    ["build", "--push"],
    ["run-local", "a", "--creds", Creds.job, "--engine", "process"],
]


@pytest.mark.parametrize("use", USES)
def test_nothing_is_asked_of_another_account(root: Path, cloud: Cloud, use: str) -> None:
    project = Project.open(root, environment="prod")
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}, lambdactl.yaml says 999999999999"):
        USES[use](project)
    assert set(cloud.record.calls) == {"sts.GetCallerIdentity"}


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_nor_by_any_command(
    root: Path, cloud: Cloud, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    flag = "--environment" if argv[0] == "run-local" else "--env"
    assert cli.run([*argv, "--root", str(root), flag, "prod"]) == 1
    assert "nothing was read or changed" in capsys.readouterr().err
    assert set(cloud.record.calls) == {"sts.GetCallerIdentity"}


def test_in_the_right_account_the_same_goes_on(root: Path, cloud: Cloud) -> None:
    assert Project.open(root, environment="dev").runs.latest() == []
    write(root, ACCOUNT)
    assert Project.open(root, environment="prod").site.environment == "prod"
    assert cloud.record.calls["s3.ListObjectsV2"] == 1
