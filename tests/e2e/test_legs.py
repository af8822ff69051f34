"""A run of several legs as a user plays it: `run-local`, and in the sandbox, where it invokes itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest

from lambdactl import sandbox as aws
from tests.e2e.left import folder, result
from tests.support.program import Program

LEG = 30  # seconds: in a container, on a busy machine
STEPS = [
    {"bash": "echo of the first leg > answer.md"},
    {"bash": "test -e waited || { touch waited; sleep 600; }; echo it goes on"},
    {"bash": "cat answer.md"},
    {"say": "It said: {result}"},
]


@pytest.fixture
def long(project: Program) -> Program:
    """A project whose job `everything` takes two legs."""
    file = project.root / "jobs" / "everything.yaml"
    text = file.read_text()
    prompt = text[text.index("  prompt: |") : text.index("  maxTurns")]
    text = text.replace(prompt, f"  prompt: {json.dumps(f'SCRIPT: {json.dumps(STEPS)}')}\n")
    file.write_text(text.replace("timeout: 5m", "timeout: 40m\nlegs: { max: 3 }"))
    return project


@pytest.fixture
def up(long: Program) -> Iterator[Program]:
    long("sandbox", "up")
    yield long
    long("sandbox", "down", "--purge")


def test_run_local_plays_the_legs_one_after_the_other(long: Program) -> None:
    done = long("run-local", "everything", "--scripted-model", "--leg", f"{LEG}s")
    found, place = result(done.stdout), folder(done.stdout)
    assert found["outcome"] == "succeeded"
    assert "of the first leg" in found["output"]
    assert [leg["ended"] for leg in found["legs"]] == ["continued", "succeeded"]
    assert "leg 2 of at most 3" in done.stderr
    assert (place / "artifacts/answer.md").read_text() == "of the first leg\n"
    for leg in ("1", "2"):
        assert (place / "legs" / leg / "events/000001.jsonl").is_file()
    assert not (place / "checkpoint").exists()
    assert sorted(each.name for each in place.parent.iterdir()) == [place.name]
    assert "leg 2 " in long("show", place.name).stdout


def test_a_leg_needs_legs(long: Program) -> None:
    assert "has no legs" in long("run-local", "hello", "--leg", "30s", code=64).stderr
    assert "10s to 15m" in long("run-local", "everything", "--leg", "1s", code=64).stderr


def test_in_the_sandbox_a_run_invokes_its_function_again(up: Program) -> None:
    up("secrets", "set", "/demo/anthropic-api-key", input="made-up-key")
    up("apply", "--yes")
    endpoint = aws.endpoint(up.root)
    session = boto3.Session(**aws.session_arguments(endpoint))
    client = session.client("lambda", endpoint_url=endpoint.url)
    function = "demo-main-everything"
    assert client.get_function_configuration(FunctionName=function)["Timeout"] == 900
    client.update_function_configuration(FunctionName=function, Timeout=LEG)
    done = up("launch", "everything", "--wait", "--format", "json")
    (run,) = json.loads(done.stdout)
    assert run["state"] == "succeeded"
    assert [leg["ended"] for leg in run["result"]["legs"]] == ["continued", "succeeded"]
    shown = up("show", run["id"]).stdout
    assert "legs/1/events/000001.jsonl" in shown
    assert "checkpoint" not in shown
