"""AWS is asked while the manifests are read: nobody is to notice but by the time it takes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lambdactl.manifest import Settings, load
from tests.support.cloud import ACCOUNT, REGION
from tests.support.program import Program

GOOD = "agent: {type: command, command: [x]}\nprefix: a/\n"


@contextmanager
def silent_server() -> Iterator[tuple[str, threading.Event]]:
    """Accepts, and never answers."""
    asked, held = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept())
                except OSError:
                    return
                asked.set()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "lambdactl.yaml").write_text(f"project: demo\nregion: {REGION}\naccount: '{ACCOUNT}'\n")
    (tmp_path / "jobs").mkdir()
    return Program(tmp_path)


def _environment(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_CONFIG_FILE": "/nonexistent",
    }


def test_a_bad_manifest_is_told_though_aws_says_nothing(program: Program) -> None:
    """AWS's time limit is a minute, and it is asked again after that."""
    (program.root / "jobs/a.yaml").write_text("agent: {type: nonsense}\n")
    with silent_server() as (url, _):
        done = program("plan", code=1, env=_environment(url))
    assert "jobs/a.yaml:1:15" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_begins_before_a_manifest_is_read(program: Program) -> None:
    manifest = program.root / "jobs/a.yaml"
    manifest.write_text("agent: {type: nonsense}\n")
    begun: list[tuple[str, int]] = []

    def meanwhile(settings: Settings, jobs: int) -> None:
        begun.append((settings.name, jobs))
        manifest.write_text(GOOD)

    assert [job.name for job in load(program.root, meanwhile=meanwhile).checked().jobs] == ["a"]
    assert begun == [("demo", 1)]


def test_bad_settings_ask_nobody(program: Program) -> None:
    (program.root / "lambdactl.yaml").write_text("project: Demo\n")
    with silent_server() as (url, asked):
        done = program("plan", code=1, env=_environment(url))
    assert "lambdactl.yaml:1:10" in done.stderr
    assert not asked.is_set()
