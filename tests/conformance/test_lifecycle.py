"""Starts that go well and that do not, and sandboxes beside each other: a sandbox for each test."""

from __future__ import annotations

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdactl.runners.host import host
from tests.conformance.conftest import answer, error
from tests.conformance.test_answers import exited, row
from tests.runners.conftest import Runner, variant


@row("init-duration")
def test_a_start_is_reported_and_billed_once(runner: Runner) -> None:
    with runner.sandbox() as invoke:
        invoke("echo")
        invoke("echo")
    reports = [line for line in runner.lines if line.startswith("REPORT ")]
    assert ["Init Duration" in line for line in reports] == [True, False]
    form = r"Duration: ([\d.]+) ms\tBilled Duration: (\d+) ms.*\tInit Duration: ([\d.]+) ms"
    numbers = re.search(form, reports[0])
    assert numbers
    assert abs(int(numbers[2]) - math.ceil(float(numbers[1]) + float(numbers[3]))) <= 1  # both are rounded


@row("init-limit")
def test_a_start_over_10_s_is_tried_again_with_the_event(runner: Runner) -> None:
    response = runner("count", leave="x", timeout=60, environment={"SLOW_FIRST_START": "1"}, request_id="r-1")
    assert answer(response)["found"] == ["started", "started-2"]  # the same /tmp
    assert [line for line in runner.lines if line.startswith("start ")] == ["start 0", "start 2"]
    report = next(line for line in runner.lines if line.startswith("INIT_REPORT"))
    said = re.fullmatch(r"INIT_REPORT Init Duration: ([\d.]+) ms\tPhase: init\tStatus: timeout", report)
    assert said
    assert float(said[1]) >= 10_000
    assert runner.lines.index(report) < runner.lines.index("START RequestId: r-1 Version: $LATEST")


@row("init-limit")
@row("init-report")
def test_a_start_that_never_ends(runner: Runner) -> None:
    """Ten seconds, then all of the function's time."""
    response = runner("echo", timeout=2, environment={"HANG_AT_START": "1"}, request_id="r-1")
    assert error(response) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-1 Error: Task timed out after 2.00 seconds",
    }
    phases = [line.partition("\t")[2] for line in runner.lines if line.startswith("INIT_REPORT")]
    assert phases == ["Phase: init\tStatus: timeout", "Phase: invoke\tStatus: timeout"]
    told = [line.split(" ")[0] for line in runner.lines if line[0].isupper()]
    assert told == ["INIT_REPORT", "INIT_REPORT", "START", "END", "REPORT"]
    assert "Status: timeout" in runner.lines[-1]


@row("init-exit")
@row("init-report")
def test_a_start_that_exits_is_tried_twice(runner: Runner) -> None:
    response = runner("echo", environment={"LEAVE_AT_START": "1"}, request_id="r-1")
    assert error(response) == exited("Runtime exited with error: exit status 3")
    phases = [line.partition("\t")[2] for line in runner.lines if line.startswith("INIT_REPORT")]
    ended = "Status: error\tError Type: Runtime.ExitError"
    assert phases == [f"Phase: init\t{ended}", f"Phase: invoke\t{ended}"]


@row("init-error")
def test_an_exception_of_the_start(runner: Runner) -> None:
    said = error(runner("echo", environment={"FAIL_AT_START": "1"}))
    assert (said["errorType"], said["errorMessage"], said["requestId"]) == ("ValueError", "no start", "")
    assert said["stackTrace"]
    assert runner.lines[-1].endswith("\tStatus: error\tError Type: ValueError")


@row("entry-point")
@pytest.mark.parametrize(
    ("program", "why"),
    [("/nowhere", "no such file or directory"), ("/etc/passwd", "permission denied")],
)
def test_an_entry_point_that_cannot_be_executed(runner: Runner, program: str, why: str) -> None:
    with variant(runner, f'ENTRYPOINT ["{program}"]') as other:
        response = runner("echo", image=other, request_id="r-1")
    assert error(response) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: r-1 Error: fork/exec {program}: {why}",
    }
    phases = [line.partition("\t")[2] for line in runner.lines if line.startswith("INIT_REPORT")]
    ended = "Status: error\tError Type: Runtime.InvalidEntrypoint"
    assert phases == [f"Phase: init\t{ended}", f"Phase: invoke\t{ended}"]


@row("init-exit")
def test_a_start_that_says_so_itself_has_exited(runner: Runner) -> None:
    """A script whose last program is not there has run itself."""
    with variant(runner, 'ENTRYPOINT ["/bin/sh", "-c", "/nowhere"]') as other:
        response = runner("echo", image=other, request_id="r-1")
    assert error(response) == exited("Runtime exited with error: exit status 127")


@pytest.mark.alone
@row("processes")
def test_a_fork_bomb_ends_at_1024_processes_and_leaves_none(runner: Runner) -> None:
    with runner.sandbox(timeout=15, memory=2048) as invoke:
        assert 900 < answer(invoke("forks")) < 1024
        assert error(invoke("leave", code=1))["errorType"] == "Runtime.ExitError"
        assert error(invoke("forks", then="hang"))["errorType"] == "Sandbox.Timedout"


@row("concurrency")
def test_two_events_at_once_have_a_sandbox_each(runner: Runner) -> None:
    with ThreadPoolExecutor(2) as pool:
        responses = list(pool.map(lambda word: runner("count", leave=word), ["a", "b"]))
    assert [len(answer(each)["events"]) for each in responses] == [1, 1]
    assert [answer(each)["found"] for each in responses] == [[], []]


@row("log-json")
def test_lines_of_a_log_in_json(runner: Runner) -> None:
    """Lambda's own and what is logged are documents; what is printed stays as it is."""
    assert answer(runner("logs", log_format="JSON", request_id="r-1")) == "INFO"
    assert "printed here" in runner.lines
    documents = [json.loads(line) for line in runner.lines if line.startswith("{")]
    platform = [each["type"] for each in documents if "type" in each]
    assert platform == ["platform.start", "platform.runtimeDone", "platform.report"]
    (logged,) = [each for each in documents if "level" in each]
    assert (logged["level"], logged["message"], logged["requestId"]) == ("WARNING", "logged here", "r-1")


@row("tmp-size")
@row("tmp-mode")
def test_a_tmp_too_large_for_this_machine_s_memory(runner: Runner) -> None:
    """It is on the engine's disk, without a limit; else as any other."""
    too_large = host(runner.engine).memory // 2 + 1
    with runner.sandbox(ephemeral_storage=too_large) as invoke:
        assert answer(invoke("count", leave="x"))["found"] == []
        seen = answer(invoke("look", fill=0))
    assert (seen["tmp mode"], seen["tmp owner"], seen["exec in /tmp"]) == ("41777", 0, "ran")
