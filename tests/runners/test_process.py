"""Runs without a container: the shell door of a small stand-in agent, in a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdactl.errors import RunError
from lambdactl.runners import process
from lambdactl.runners.folders import sweep_folders, throwaway
from lambdactl.runners.owner import Owner
from lambdactl.runners.protocol import Function, Invocation, Relay, Response

AGENT = """
import json, os, signal, subprocess, sys, time
event = json.load(sys.stdin)
print("working")
match event["do"]:
    case "environment":
        print(json.dumps({"argv": sys.argv[1:], "environment": dict(os.environ)}))
    case "hang":
        clean = {"PATH": os.environ["PATH"]}
        print(subprocess.Popen(["sleep", "3600"], start_new_session=True, env=clean).pid)
        print("hanging", flush=True)
        time.sleep(3600)
    case "daemon":
        # Reparented, in its own session, with nothing but the folder to tell whose it is.
        subprocess.Popen("sleep 3600 & echo $! > $TMPDIR/pid", shell=True, start_new_session=True).wait()
        print(open(os.environ["TMPDIR"] + "/pid").read().strip())
    case "cancelled":
        stopped = []
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
        print("waiting", flush=True)
        print("ready", flush=True)
        while not stopped:
            time.sleep(0.01)
        print(json.dumps({"outcome": "cancelled"}))
    case "leave":
        print("last words")
        sys.exit(3)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As `image.tree` lays it out, with this Python."""
    made = tmp_path / "tree"
    (made / "python/bin").mkdir(parents=True)
    (made / "python/bin/python").symlink_to(sys.executable)
    (made / "agent").mkdir()
    (made / "agent/__init__.py").write_text("")
    (made / "agent/__main__.py").write_text(AGENT)
    return made


class Runner:
    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.lines: list[str] = []

    def __call__(self, do: str, stop: threading.Event | None = None, **fields: Any) -> Response:
        function: dict[str, Any] = {
            "image": str(self.tree),
            "name": "demo-main-test",
            "arn": "arn:aws:lambda:us-east-1:000000000000:function:demo-main-test",
            "memory": 128,
            "timeout": 20,
            "ephemeral_storage": 512,
            "architecture": "x86_64",
            "environment": {},
        }
        folder = fields.pop("run_folder", None)
        return process.invoke(
            Function(**{**function, **fields}),
            Invocation(event=json.dumps({"do": do}).encode(), request_id="r-1", run_folder=folder),
            self.lines.append,
            stop,
        )


@pytest.fixture
def runner(tree: Path) -> Runner:
    return Runner(tree)


def test_what_is_not_enforced_is_said_first(runner: Runner) -> None:
    runner("environment")
    assert runner.lines == [process.NOT_ENFORCED, "working"]


def test_the_environment_is_explicit(
    runner: Runner, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-user-s-own")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "the-user-s-own")
    response = runner(
        "environment",
        environment={
            "GIVEN": "1",
            "LAMBDACTL_RUN_DIR": "/mnt/run",
            "LAMBDACTL_DEFINITION": "/mnt/run/x.json",
        },
        run_folder=tmp_path,
        relays=(Relay("LAMBDACTL_MODEL_URL", ("127.0.0.1", 4)),),
    )
    said = json.loads(response.payload)
    seen = said["environment"]
    assert said["argv"] == ["--request-id", "r-1", "--timeout", "20"]
    assert "the-user-s-own" not in seen.values()
    assert seen["HOME"] != os.environ["HOME"]
    assert not Path(seen["HOME"]).exists()
    assert seen["LAMBDACTL_HOME"] == str(tree)
    assert seen["LAMBDACTL_RUN_DIR"] == str(tmp_path)
    assert seen["LAMBDACTL_DEFINITION"] == f"{tmp_path}/x.json"
    assert seen["LAMBDACTL_MODEL_URL"] == "http://127.0.0.1:4"
    assert seen["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert seen["GIVEN"] == "1"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="found by /proc")
def test_a_run_that_hangs_is_killed_with_its_children(runner: Runner) -> None:
    response = runner("hang", timeout=5)
    assert json.loads(response.payload)["errorType"] == "Sandbox.Timedout"
    assert response.function_error == "Unhandled"
    pid = int(next(line for line in runner.lines if line.isdigit()))
    until(lambda: _is_gone(pid))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="found by /proc")
def test_a_process_that_slipped_away_is_found(runner: Runner) -> None:
    pid = int(runner("daemon").payload)
    until(lambda: _is_gone(pid))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="found by /proc")
def test_what_a_killed_lambdactl_left_running_is_swept() -> None:
    """As it would be found after a SIGKILL: the owner is no more, its job goes on in its folder."""
    gone = Owner(Owner.this().machine, os.getpid(), "1")
    with throwaway(gone.new_name()) as folder, throwaway(Owner.this().new_name()) as mine:
        left = subprocess.Popen(["sleep", "3600"], cwd=folder, start_new_session=True)
        sweep_folders()
        assert left.wait(60) == -9
        until(lambda: not folder.exists())  # another test's sweep may be about it
        assert mine.exists()


def test_a_soft_stop(runner: Runner) -> None:
    stop = threading.Event()

    def watch() -> None:
        while "waiting" not in runner.lines:
            time.sleep(0.02)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    assert json.loads(runner("cancelled", stop).payload) == {"outcome": "cancelled"}


def test_a_failure(runner: Runner) -> None:
    response = runner("leave")
    assert response.function_error == "Unhandled"
    assert "exit status 3" in json.loads(response.payload)["errorMessage"]
    assert runner.lines[-1] == "last words"


def test_a_folder_that_is_no_tree(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no tree"):
        runner("environment", image=str(tmp_path))


def until(holds: Callable[[], bool]) -> None:
    """A moment: who is killed has still to end."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    """Ended; whoever inherits it may not have collected it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
