"""Memory and /tmp, each held to its own size."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Shared, answer, error
from tests.conformance.test_answers import exited, row

FUNCTION = {"memory": 128, "ephemeral_storage": 512, "timeout": 30}


@row("tmp-not-memory")
@row("memory-used")
def test_tmp_is_not_memory(sandbox: Shared) -> None:
    """300 MB in /tmp of a function of 128 MB, and 80 MB of memory; the peak is that of the latter."""
    response = sandbox("fill", tmp=300, megabytes=80, hold=2)
    assert answer(response) == 80 << 20
    assert 80 <= response.max_memory_mb < 128


@row("memory")
@row("out-of-memory")
def test_memory_is_the_function_s_own_however_much_room_tmp_has(sandbox: Shared) -> None:
    failed = sandbox("hungry", megabytes=400, request_id="r-1")
    assert error(failed) == exited("Runtime exited with error: signal: killed")
    assert "Error Type: Runtime.OutOfMemory" in sandbox.lines[-1]
    assert "Max Memory Used: 128 MB" in sandbox.lines[-1]
    assert answer(sandbox("count", leave="a"))["events"]


@row("child-out-of-memory")
def test_a_child_that_takes_too_much_dies_alone(sandbox: Shared) -> None:
    before = answer(sandbox("count", leave="b"))
    assert answer(sandbox("parent", megabytes=200)) == -9
    assert answer(sandbox("count", leave="c"))["pid started"] == before["pid started"]


@row("child-out-of-memory")
@row("out-of-memory")
def test_what_is_another_user_s_here_is_killed_by_the_engine(
    sandbox: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for users of Docker's group: a container's processes are not theirs."""
    denied: list[int] = []

    def kill(pid: int, _: int) -> None:
        denied.append(pid)
        raise PermissionError

    monkeypatch.setattr("lambdactl.runners.memory.os.kill", kill)
    before = answer(sandbox("count", leave="d"))
    assert answer(sandbox("parent", megabytes=200)) == -9
    assert answer(sandbox("count", leave="e"))["pid started"] == before["pid started"]
    assert error(sandbox("hungry", megabytes=400, request_id="r-1")) == exited(
        "Runtime exited with error: signal: killed"
    )
    assert "Error Type: Runtime.OutOfMemory" in sandbox.lines[-1]
    assert denied
