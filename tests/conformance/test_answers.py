"""What Lambda answers to an event, whatever the function does with it, and what is left for the next one."""

from __future__ import annotations

import math
import re
import time

import pytest

from tests.conformance.conftest import Shared, answer, error
from tests.runners.conftest import ARN

row = pytest.mark.row
FUNCTION = {"memory": 2048, "timeout": 8}
TIMED_OUT = {
    "errorType": "Sandbox.Timedout",
    "errorMessage": "RequestId: r-1 Error: Task timed out after 8.00 seconds",
}
TOO_LARGE = {
    "errorType": "Function.ResponseSizeTooLarge",
    "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
}
LOG_TAIL = 4096  # bytes


def exited(reason: str) -> dict[str, str]:
    return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r-1 Error: {reason}"}


def reports(sandbox: Shared) -> list[str]:
    return [line for line in sandbox.lines if line.startswith("REPORT ")]


@row("answer")
@row("deadline")
@row("request-id")
@row("arn")
def test_an_answer(sandbox: Shared) -> None:
    said = answer(sandbox("echo", request_id="00000000-0000-7000-8000-000000000001", word="Grüße"))
    assert said["event"] == {"do": "echo", "word": "Grüße"}
    assert said["requestId"] == "00000000-0000-7000-8000-000000000001"
    assert said["arn"] == ARN
    assert 4000 < said["left"] <= 8000


@row("trace")
def test_the_trace_header(sandbox: Shared) -> None:
    form = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0"
    assert re.fullmatch(form, answer(sandbox("told"))["trace"])


@row("client-context")
def test_the_client_s_context(sandbox: Shared) -> None:
    assert answer(sandbox("told", client_context='{"custom": {"a": "b"}}'))["client"] == {"a": "b"}
    assert answer(sandbox("told"))["client"] is None


@row("exception")
def test_an_exception_of_the_handler(sandbox: Shared) -> None:
    said = error(sandbox("fail", text="no such city", request_id="r-1"))
    assert list(said) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (said["errorType"], said["errorMessage"], said["requestId"]) == (
        "ValueError",
        "no such city",
        "r-1",
    )
    assert said["stackTrace"]
    assert any("ValueError: no such city" in line for line in sandbox.lines)
    assert not any("\r" in line for line in sandbox.lines)


@row("exception-long")
def test_an_exception_of_100_kb(sandbox: Shared) -> None:
    """Its text comes in a header line, longer than Python's own server reads."""
    assert error(sandbox("fail", text="x", times=100_000))["errorMessage"] == "x" * 100_000


@row("response-size")
def test_a_response_of_almost_6_mb(sandbox: Shared) -> None:
    assert len(answer(sandbox("large", size=6_291_000))) == 6_291_000


@row("response-size")
def test_a_response_over_6_mb(sandbox: Shared) -> None:
    assert error(sandbox("large", size=7 << 20)) == TOO_LARGE
    assert "Error Type: Function.ResponseSizeTooLarge" in sandbox.lines[-1]


@row("exit")
@row("log-failure")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "Runtime exited without providing a reason"),
        (127, "Runtime exited with error: exit status 127"),
    ],
)
def test_a_runtime_that_exits(sandbox: Shared, code: int, reason: str) -> None:
    assert error(sandbox("leave", code=code, request_id="r-1")) == exited(reason)
    assert "last words" in sandbox.lines
    assert sandbox.lines[-4:-1] == [
        f"RequestId: r-1 Error: {reason}",
        "Runtime.ExitError",
        "END RequestId: r-1",
    ]
    assert "Error Type: Runtime.ExitError" in sandbox.lines[-1]


@row("timeout")
@row("timeout-kill")
@row("log-failure")
def test_a_handler_that_hangs_is_killed_with_all_its_children(sandbox: Shared) -> None:
    """It is not asked to end, and what it started in a session of its own ends with it."""
    response = sandbox("linger", request_id="r-1")
    assert error(response) == TIMED_OUT
    assert response.duration_ms >= 8000
    assert sandbox.lines[-3].endswith("Z r-1 Task timed out after 8.00 seconds")
    assert "Status: timeout" in sandbox.lines[-1]
    left = answer(sandbox("beats"))
    assert left["before"] > 0
    assert (left["more"], left["terminated"]) == (0, False)


@row("warm")
@row("tmp-kept")
def test_a_runtime_serves_one_event_after_the_other(sandbox: Shared) -> None:
    first = answer(sandbox("count", leave="warm-1", request_id="r-1"))
    second = answer(sandbox("count", leave="warm-2", request_id="r-2"))
    assert second["events"] == [*first["events"], "r-2"]
    assert second["pid started"] == first["pid started"]
    assert "warm-1" in second["found"]


@row("freeze")
def test_nothing_runs_between_events(sandbox: Shared) -> None:
    sandbox("tick")
    time.sleep(2)
    # The thread goes on where it was: one step took as long as the sandbox was frozen.
    assert answer(sandbox("tick"))["longest gap"] > 1.5


@row("exception")
def test_an_error_of_the_handler_resets_nothing(sandbox: Shared) -> None:
    first = answer(sandbox("count", leave="error-1"))
    assert error(sandbox("fail"))
    assert answer(sandbox("count", leave="error-2"))["pid started"] == first["pid started"]


@row("reset")
@row("tmp-kept")
@pytest.mark.parametrize(
    ("do", "what", "failed"),
    [
        ("hang", {}, "Sandbox.Timedout"),
        ("leave", {"code": 1}, "Runtime.ExitError"),
        ("large", {"size": 7 << 20}, "Function.ResponseSizeTooLarge"),
    ],
)
def test_what_resets_a_sandbox_leaves_tmp(
    sandbox: Shared, do: str, what: dict[str, int], failed: str
) -> None:
    sandbox("count", leave=f"reset-{do}")
    assert error(sandbox(do, **what))["errorType"] == failed
    after = answer(sandbox("count", leave="after", request_id="r-3"))
    assert after["events"] == ["r-3"]  # globals are new
    assert f"reset-{do}" in after["found"]
    # A start after a reset is within the function's time, and not reported.
    assert not any("Init Duration" in line for line in reports(sandbox))


@row("log-lines")
@row("memory-used")
def test_the_lines_of_an_event(sandbox: Shared) -> None:
    sandbox("echo")
    sandbox.lines.clear()
    response = sandbox("echo", request_id="00000000-0000-7000-8000-000000000001")
    assert sandbox.lines[:3] == [
        "START RequestId: 00000000-0000-7000-8000-000000000001 Version: $LATEST",
        "hello from inside",
        "END RequestId: 00000000-0000-7000-8000-000000000001",
    ]
    line = re.fullmatch(
        r"REPORT RequestId: 00000000-0000-7000-8000-000000000001\tDuration: ([\d.]+) ms"
        r"\tBilled Duration: (\d+) ms\tMemory Size: 2048 MB\tMax Memory Used: (\d+) MB",
        sandbox.lines[3],
    )
    assert line
    assert int(line[2]) - math.ceil(float(line[1])) in (
        0,
        1,
    )  # of the time before it was rounded for the line
    assert 0 < int(line[3]) < 2048
    assert len(sandbox.lines) == 4
    assert response.log_tail.decode().splitlines() == sandbox.lines


@row("log-tail")
def test_the_last_4_kb_of_the_log(sandbox: Shared) -> None:
    response = sandbox("talk", lines=1000)
    whole = "".join(f"{line}\n" for line in sandbox.lines)
    assert len(whole) > 2 * LOG_TAIL
    assert response.log_tail.decode() == whole[-LOG_TAIL:]
