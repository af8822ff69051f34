"""Lines, processes and deadlines: the parts below the adapters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import processes
from agent.child import Command, Stop
from agent.deadline import Deadline
from agent.events import Ended
from agent.framing import Lines
from agent.outcome import Verdict, decide
from agent.supervise import Ending, Limits, Reaction, supervise


def command(folder: Path, script: str, **changes: Any) -> Command:
    values: dict[str, Any] = {
        "argv": ("/bin/sh", "-c", script),
        "env": {"PATH": "/usr/bin:/bin", processes.MARK: f"{folder}:run"},
        "cwd": folder,
        "stdout": folder / "stdout",
        "stderr": folder / "stderr",
        "stops": (Stop(signal=signal.SIGTERM, seconds=20),),
        "mark": f"{folder}:run",
        **changes,
    }
    return Command(**values)


def ignore(line: bytes) -> Reaction:
    return ""


def run(
    folder: Path,
    script: str,
    on_line: Callable[[bytes], Reaction] = ignore,
    *,
    patience: float = 20,
    **changes: Any,
) -> tuple[Ending, float]:
    """Its time is over after a minute, or once it has made the file `over`."""
    began = time.monotonic()

    def until() -> float:
        return 0 if (folder / "over").exists() else began + 60

    limits = Limits(until=until, hurry=patience, patience=patience, linger=0.3)
    return supervise(command(folder, script, **changes), limits, on_line), time.monotonic() - began


def test_a_cli_that_does_not_exit_after_its_last_word(tmp_path: Path) -> None:
    ending, took = run(tmp_path, "echo result; exec sleep 600", lambda line: "finished")
    assert (ending.why, ending.finished, ending.signal) == ("linger", True, "SIGTERM")
    assert took < 60


def test_a_line_may_end_the_run(tmp_path: Path) -> None:
    ending, took = run(tmp_path, "echo bad; exec sleep 600", lambda line: "abort" if line == b"bad" else "")
    assert (ending.why, ending.finished) == ("abort", False)
    assert took < 60


def test_one_that_ignores_the_polite_stop_is_killed(tmp_path: Path) -> None:
    ending, took = run(tmp_path, "trap '' TERM; touch over; while :; do sleep 0.1; done", patience=0.5)
    assert (ending.why, ending.signal, ending.out_of_memory) == ("deadline", "SIGKILL", False)
    assert took < 60


def test_closed_outputs_do_not_end_it(tmp_path: Path) -> None:
    ending, took = run(tmp_path, "exec >&- 2>&-; sleep 0.5; exit 7")
    assert (ending.exit_code, ending.why) == (7, "")
    assert 0.5 <= took < 60


def test_a_secret_by_descriptor_is_neither_in_the_environment_nor_on_the_command_line(tmp_path: Path) -> None:
    script = 'value=$(cat /proc/self/fd/$KEY_FD); echo "$value"; env; cat /proc/$$/cmdline; ls /proc/$$/fd'
    run(tmp_path, script, piped={"KEY_FD": "s3cr3t-value"})
    value, *rest = (tmp_path / "stdout").read_text().splitlines()
    assert value == "s3cr3t-value"
    assert "s3cr3t" not in "".join(rest)


def test_the_child_inherits_no_other_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        run(tmp_path, "ls -l /proc/self/fd")
    assert "ours" not in (tmp_path / "stdout").read_text()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(tmp_path, "", argv=("no-such-program",))


def test_only_the_runs_own_processes_are_found(tmp_path: Path) -> None:
    """By mark, by descent, and nobody else's: not even of a work folder whose name begins the same."""
    base = {"PATH": "/usr/bin:/bin"}
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    envs = [{**base, processes.MARK: f"{tmp_path}{end}"} for end in (":a", ":b", "2:a")] + [base]
    children = [subprocess.Popen(sleep, env=env, stdout=subprocess.PIPE) for env in envs]
    try:
        for child in children:
            assert child.stdout
            child.stdout.readline()
        marked = {children[0].pid, children[1].pid}
        assert processes.find(f"{tmp_path}:", ()) == marked
        assert processes.find(f"{tmp_path}:", {children[3].pid}) == marked | {children[3].pid}
        for child in children[:2]:
            child.kill()
            child.wait()
        assert processes.kill(f"{tmp_path}:", ()) == set()
        assert children[2].poll() is None
    finally:
        for child in children:
            child.kill()
            child.wait()
            assert child.stdout
            child.stdout.close()


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))),
    st.integers(1, 9),
)
def test_lines_whatever_the_reads(lines: list[bytes], size: int) -> None:
    stream, framed = b"\n".join(lines), Lines()
    found = [
        line for start in range(0, len(stream), size) for line in framed.feed(stream[start : start + size])
    ]
    assert [*found, *framed.close()] == [line for line in lines if line]


def test_a_line_over_the_bound_is_dropped_alone() -> None:
    framed = Lines(longest=10)
    found = [line for part in (b"short\n", b"x" * 9, b"y" * 9, b"\nnext\n") for line in framed.feed(part)]
    assert (found, framed.dropped) == ([b"short", b"next"], 1)


@given(st.floats(1, 900), st.floats(0, 1000))
def test_the_time_is_divided_so_that_the_upload_has_some(seconds: float, reserve: float) -> None:
    deadline = Deadline.of(seconds, 1000)
    stop_at = deadline.stop_at(reserve)
    assert 1000 <= stop_at <= stop_at + deadline.patience <= deadline.ends
    assert deadline.left(1000) == pytest.approx(seconds)
    assert stop_at - 1000 >= seconds * 0.5
    if seconds >= 3:
        assert deadline.ends - stop_at - deadline.patience >= 0.999
    # What is not needed for the upload is not kept from the agent.
    assert deadline.ends - deadline.stop_at(0) <= 2.001


GOOD, BAD = Ended(outcome="succeeded"), Ended(outcome="failed", reason="API Error: 500")
DOWN = Verdict(outcome="mcp_unavailable", reason="MCP server x: failed")


def ended(code: int | None = None, **values: Any) -> Ending:
    return Ending(**{"exit_code": code, "signal": None, "why": "", "finished": False, **values})


@pytest.mark.parametrize(
    ("ending", "word", "abort", "outcome"),
    [
        (ended(0, finished=True), GOOD, None, "succeeded"),
        (ended(1, finished=True), BAD, None, "failed"),
        (ended(0, finished=True), BAD, None, "failed"),  # the exit code lies
        (ended(1, finished=True), GOOD, None, "succeeded"),
        (ended(signal="SIGKILL", why="linger", finished=True), GOOD, None, "succeeded"),
        (ended(0, why="deadline"), GOOD, None, "timed_out"),  # it said so only after we stopped it
        (ended(0, why="deadline", finished=True), GOOD, None, "succeeded"),
        (ended(143, why="abort"), GOOD, DOWN, "mcp_unavailable"),
        (ended(1), None, DOWN, "mcp_unavailable"),
        (ended(143, why="cancelled"), None, None, "cancelled"),
        (ended(0), None, None, "failed"),
        (ended(signal="SIGKILL", out_of_memory=True), None, None, "out_of_memory"),
        (ended(137, out_of_memory=True), None, None, "out_of_memory"),
        (ended(signal="SIGSEGV"), None, None, "failed"),
    ],
)
def test_outcomes(ending: Ending, word: Ended | None, abort: Verdict | None, outcome: str) -> None:
    assert decide(ending, word, abort=abort, speaks=True, timeout=60).outcome == outcome
