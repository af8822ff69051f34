"""One sandbox over several events: what stays, what a failure resets, and the limits it is held to."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lambdactl.errors import RunError
from lambdactl.runners import local
from tests.runners.conftest import Runner

KILLED = "Runtime exited with error: signal: killed"


def answer(response: Any) -> Any:
    assert response.function_error == "", response.payload
    return json.loads(response.payload)


def test_a_runtime_serves_one_event_after_the_other(runner: Runner) -> None:
    with runner.sandbox() as invoke:
        first = answer(invoke("count", leave="a", request_id="r-1"))
        second = answer(invoke("count", leave="b", request_id="r-2"))
    assert first["events"] == ["r-1"]
    assert second["events"] == ["r-1", "r-2"]
    assert second["pid started"] == first["pid started"]
    assert second["found"] == ["a"]
    reports = [line for line in runner.lines if line.startswith("REPORT")]
    assert ["Init Duration" in line for line in reports] == [True, False]


def test_nothing_runs_between_events(runner: Runner) -> None:
    with runner.sandbox() as invoke:
        invoke("tick")
        time.sleep(2)
        # The thread goes on where it was: one step took as long as the sandbox was frozen.
        assert answer(invoke("tick"))["longest gap"] > 1.5


def test_an_error_of_the_handler_resets_nothing(runner: Runner) -> None:
    with runner.sandbox() as invoke:
        first = answer(invoke("count", leave="a"))
        assert invoke("fail").function_error == "Unhandled"
        assert answer(invoke("count", leave="b"))["pid started"] == first["pid started"]


@pytest.mark.parametrize(
    ("do", "what", "error"),
    [
        ("hang", {}, "Sandbox.Timedout"),
        ("leave", {"code": 1}, "Runtime.ExitError"),
        ("large", {"size": 7 << 20}, "Function.ResponseSizeTooLarge"),
    ],
)
def test_what_resets_a_sandbox_leaves_tmp(runner: Runner, do: str, what: dict[str, int], error: str) -> None:
    with runner.sandbox(timeout=3) as invoke:
        invoke("count", leave="a", request_id="r-1")
        failed = json.loads(invoke(do, **what).payload)
        assert failed["errorType"] == error
        after = answer(invoke("count", leave="b", request_id="r-3"))
    assert after["events"] == ["r-3"]  # globals are new
    assert after["found"] == ["a"]
    reports = [line for line in runner.lines if line.startswith("REPORT")]
    # A start after a reset is within the function's time, and not reported.
    assert ["Init Duration" in line for line in reports] == [True, False, False]


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


# -- the start ----------------------------------------------------------------------------------------


def test_a_start_over_10_s_is_tried_again_with_the_event(runner: Runner) -> None:
    response = runner("count", leave="x", timeout=15, environment={"SLOW_FIRST_START": "1"}, request_id="r-1")
    assert answer(response)["found"] == ["started", "started-2"]  # the same /tmp
    assert [line for line in runner.lines if line.startswith("start ")] == ["start 0", "start 2"]
    report = next(line for line in runner.lines if line.startswith("INIT_REPORT"))
    assert report.startswith("INIT_REPORT Init Duration: 10")
    assert report.endswith("\tPhase: init\tStatus: timeout")
    assert runner.lines.index(report) < runner.lines.index("START RequestId: r-1 Version: $LATEST")


def test_a_start_that_never_ends(runner: Runner) -> None:
    """Ten seconds, then all of the function's time."""
    response = runner("echo", timeout=2, environment={"HANG_AT_START": "1"}, request_id="r-1")
    assert json.loads(response.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-1 Error: Task timed out after 2.00 seconds",
    }
    phases = [line.partition("\t")[2] for line in runner.lines if line.startswith("INIT_REPORT")]
    assert phases == ["Phase: init\tStatus: timeout", "Phase: invoke\tStatus: timeout"]
    assert "Status: timeout" in runner.lines[-1]


def test_a_start_that_exits_is_tried_twice(runner: Runner) -> None:
    response = runner("echo", environment={"LEAVE_AT_START": "1"}, request_id="r-1")
    assert json.loads(response.payload)["errorMessage"] == (
        "RequestId: r-1 Error: Runtime exited with error: exit status 3"
    )
    phases = [line.partition("\t")[2] for line in runner.lines if line.startswith("INIT_REPORT")]
    ended = "Status: error\tError Type: Runtime.ExitError"
    assert phases == [f"Phase: init\t{ended}", f"Phase: invoke\t{ended}"]


# -- memory and /tmp ----------------------------------------------------------------------------------


def test_tmp_is_not_memory(runner: Runner) -> None:
    """300 MB in /tmp of a function of 128 MB, and 80 MB of memory; the peak is that of the latter."""
    response = runner("fill", tmp=300, megabytes=80, hold=0.5, memory=128, ephemeral_storage=512)
    assert answer(response) == 80 << 20
    assert 80 <= response.max_memory_mb < 128


def test_memory_is_the_function_s_own_however_much_room_tmp_has(runner: Runner) -> None:
    with runner.sandbox(memory=128, ephemeral_storage=512) as invoke:
        response = invoke("hungry", megabytes=200, request_id="r-1")
        assert json.loads(response.payload)["errorMessage"] == f"RequestId: r-1 Error: {KILLED}"
        assert "Error Type: Runtime.OutOfMemory" in runner.lines[-1]
        assert "Max Memory Used: 128 MB" in runner.lines[-1]
        assert answer(invoke("count", leave="a"))["events"]


def test_a_child_that_takes_too_much_dies_alone(runner: Runner) -> None:
    assert answer(runner("parent", memory=128, ephemeral_storage=512, megabytes=200)) == -9


# -- limits -------------------------------------------------------------------------------------------


def test_resource_limits(runner: Runner) -> None:
    assert answer(runner("limits")) == {
        "NOFILE": [1024, 1024],
        "CORE": [10737418240, 10737418240],
        "STACK": [8388608, -1],
        "MEMLOCK": [65536, 65536],
    }


def test_file_descriptors_end_at_1023(runner: Runner) -> None:
    assert answer(runner("descriptors")) == 1023


def test_a_fork_bomb_ends_at_1024_processes_and_leaves_none(runner: Runner) -> None:
    with runner.sandbox(timeout=15, memory=2048) as invoke:
        assert 900 < answer(invoke("forks")) < 1024
        assert json.loads(invoke("leave", code=1).payload)["errorType"] == "Runtime.ExitError"
        assert json.loads(invoke("forks", then="hang").payload)["errorType"] == "Sandbox.Timedout"


def test_the_metadata_endpoint(runner: Runner) -> None:
    assert answer(runner("metadata")) == {"AvailabilityZoneID": "use1-az1"}


def test_strict_refuses_what_this_machine_cannot_do(runner: Runner) -> None:
    function, _ = runner.made("echo", memory=10_240)
    with (
        pytest.raises(RunError, match=r"10240 MB come with 5\.8 CPUs; this machine has \d"),
        local.opened(function, runner.engine, runner.lines.append, strict=True),
    ):
        pytest.fail("it opened")
