"""One sandbox over several events: what is ours about it (as Lambda has it: tests/conformance)."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from lambdactl.errors import RunError
from lambdactl.runners import local
from tests.runners.conftest import Runner


def test_a_run_folder_for_each_event(runner: Runner, tmp_path: Path) -> None:
    folders = []
    with runner.sandbox(run_folder=tmp_path) as invoke:
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "in.json").write_text(json.dumps(number))
            invoke("output", run_folder=folder)
            folders.append(sorted(str(path.relative_to(folder)) for path in folder.rglob("*")))
    assert folders == [["in.json", "out", "out/result.json"]] * 2
    assert (tmp_path / "1/out/result.json").read_text() == "1"


def test_a_stop_while_frozen_ends_at_once(runner: Runner) -> None:
    stop = threading.Event()
    with runner.sandbox() as invoke:
        invoke("echo", stop)
        stop.set()
        assert invoke("echo", stop).function_error == "Unhandled"
    assert runner.lines.count("hello from inside") == 1


def test_strict_refuses_what_this_machine_cannot_do(runner: Runner) -> None:
    function, _ = runner.made("echo", memory=10_240)
    with (
        pytest.raises(RunError, match=r"10240 MB come with 5\.8 CPUs; this machine has \d"),
        local.opened(function, runner.engine, runner.lines.append, strict=True),
    ):
        pytest.fail("it opened")
