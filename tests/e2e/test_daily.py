"""`run-local` day by day: warm runs, retries, a shell, scripts, and runs on every change."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lambdactl.container import Engine
from tests.e2e.left import leftovers
from tests.support.program import Program

PATIENCE = 120  # seconds for what takes two


def put(file: Path, text: str) -> None:
    """All at once: a file that was only begun is another one, and so a change."""
    aside = file.with_name(f"{file.name}~")
    aside.write_text(text)
    aside.replace(file)


def job(project: Program, *command: str, **fields: Any) -> Path:
    """The manifest of the job `hello`, which runs this command."""
    manifest = {"agent": {"type": "command", "command": list(command)}, "prefix": "hello/", **fields}
    file = project.root / "jobs" / "hello.yaml"
    put(file, json.dumps(manifest))
    return file


def shell(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


# -- several events -----------------------------------------------------------------------------------


def test_several_runs_in_one_warm_sandbox(project: Program, engine: Engine) -> None:
    job(project, *shell("ls /tmp; cat /proc/1/stat | cut -d' ' -f22"))
    done = project("run-local", "hello", "--repeat", "2", "--json", input="")
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["run"]["state"] for each in runs] == ["succeeded", "succeeded"]
    assert runs[0]["run"]["id"] != runs[1]["run"]["id"]
    printed = [Path(each["run"]["folder"], "stdout/000001.log").read_text() for each in runs]
    assert printed[0] == printed[1]  # the same process since the same tick, and nothing of the first in /tmp
    assert done.stderr.count("Init Duration") == 1
    assert leftovers(engine, project) == []


def test_one_failure_of_several_is_a_failure(project: Program) -> None:
    job(project, *shell("exit 3"))
    done = project("run-local", "hello", "--repeat", "2", code=1)
    assert done.stdout.count("failed") == 2


def test_json_says_what_lambda_would_have_answered(project: Program) -> None:
    job(project, *shell("echo hi"))
    done = project("run-local", "hello", "--json")
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert said["run"]["state"] == said["response"]["payload"]["outcome"] == "succeeded"
    assert said["response"]["functionError"] is None
    assert said["response"]["durationMs"] > 0
    assert said["response"]["maxMemoryMb"] > 0
    assert said["attempts"] == 1
    assert json.loads((Path(said["run"]["folder"]) / "result.json").read_text()) == said["run"]["result"]


@pytest.mark.row("retries")
def test_an_asynchronous_event_is_tried_again_after_a_function_error(project: Program) -> None:
    """As many times as the job says. The supervisor is the largest process when memory runs out."""
    many = "for n in $(seq 30); do { head -c 8000000 /dev/zero; sleep 60; } | tail & done; wait"
    job(project, *shell(many), retries=1, memory=128)
    done = project("run-local", "hello", "--async", "--json", code=1)
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert said["run"]["state"] == "lost"
    # As in Lambda the second attempt finds that the first one began the work, and does none.
    assert said["response"]["payload"]["outcome"] == "rejected"
    assert "Error Type: Runtime.OutOfMemory" in done.stderr
    assert said["attempts"] == 2
    assert "attempt 2 of 2, in 1 s (Lambda: in 60 s)" in done.stderr
    ids = {each.split()[2] for each in done.stderr.splitlines() if each.startswith("START RequestId")}
    assert len(ids) == 1


@pytest.mark.row("request-size")
def test_an_event_over_lambda_s_limit_is_refused_first(project: Program, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text(json.dumps("x" * (1 << 20)))
    refused = project("run-local", "hello", "--async", "--input", str(tmp_path / "input.json"), code=1)
    assert "Lambda takes 1,048,576 in an asynchronous invocation" in refused.stderr
    assert "START" not in refused.stderr


# -- a shell ------------------------------------------------------------------------------------------


def test_a_shell_in_the_very_sandbox(project: Program, engine: Engine) -> None:
    script = """\
id -u; id -un; touch /opt/x 2>&1 | tail -1; echo $AWS_LAMBDA_FUNCTION_NAME; ls /mnt/run/out -d
python3 -c 'import os; print(os.environ.get("HOSTNAME"))'
mkfifo /tmp/said
/opt/lambdactl/python/bin/python -m awslambdaric agent.handler.handle > /tmp/said 2>&1 &
while read -r line; do echo "$line"; case "$line" in *run.ended*) exit 7 ;; esac; done < /tmp/said
"""
    done = project("run-local", "hello", "--shell", input=script, code=7)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["993", "sbx_user1051"]
    assert "Read-only file system" in lines[2]
    assert lines[3] == "demo-main-hello"
    assert lines[4] == "/mnt/run/out"
    assert lines[5] == "None"
    assert '"outcome": "succeeded"' in done.stdout.replace('":"', '": "')  # the event waited for a runtime
    assert leftovers(engine, project) == []


def test_a_shell_on_a_terminal(project: Program, engine: Engine) -> None:
    """As a person has it: a prompt, a terminal inside, and Ctrl-C that is the shell's."""
    ours, theirs = os.openpty()
    process = project.start(
        *("run-local", "hello", "--shell"),
        env={"TERM": "a-terminal"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(theirs)
        said = _until(ours, "$ ")
        # The process that says so is the one that sleeps: a Ctrl-C between two of them is nobody's.
        os.write(ours, b"echo $TERM; tty; sh -c 'echo be\\gun; exec sleep 600'\n")
        said += _until(ours, "begun")  # all of it may come at once
        assert "a-terminal" in said
        assert "/dev/pts/0" in said
        os.write(ours, b"\x03")
        said += _until(ours, "$ ")
        os.write(ours, b"exit 5\n")
        assert process.wait(PATIENCE) == 5, said
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert leftovers(engine, project) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_shell_whose_terminal_closes_leaves_nothing(
    project: Program, engine: Engine, number: signal.Signals
) -> None:
    process = project.start("run-local", "hello", "--shell", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdin.write("echo ready; sleep 600\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert leftovers(engine, project) == []


def _until(terminal: int, text: str) -> str:
    said, end = "", time.monotonic() + PATIENCE
    while text not in said:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, said
        said += os.read(terminal, 4096).decode(errors="replace")
    return said


# -- what does not go together ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--shell", "--repeat", "2"], "--shell does not go with --repeat"),
        (["--shell", "--json", "--watch"], "--shell does not go with --json, --watch"),
        (["--repeat", "2", "--async"], "--repeat does not go with --async"),
        (["--repeat", "2", "--engine", "process"], "--repeat does not go with --engine process"),
        (["--strict", "--engine", "process"], "--strict does not go with --engine process"),
        (["--watch", "--input", "-"], "--watch does not go with --input -"),
    ],
)
def test_flags_that_exclude_each_other(project: Program, flags: list[str], said: str) -> None:
    assert said in project("run-local", "hello", *flags, code=64).stderr


def test_legs_are_not_repeated(project: Program) -> None:
    agent = {"type": "claude-code", "model": "claude-sonnet-4-5", "prompt": "Hi"}
    secrets = {"ANTHROPIC_API_KEY": "/agents/key"}
    job(project, agent=agent, secrets=secrets, timeout="28m", legs={"max": 2})
    refused = project("run-local", "hello", "--repeat", "2", code=64)
    assert "hello has legs: --repeat is for jobs of one" in refused.stderr


def test_strict_refuses_what_this_machine_cannot_do(project: Program, engine: Engine) -> None:
    job(project, *shell("echo hi"), memory=10_240)
    loose = project("run-local", "hello")
    assert "not as in Lambda: 10240 MB come with 5.8 CPUs" in loose.stderr
    strict = project("run-local", "hello", "--strict", code=1)
    assert "10240 MB come with 5.8 CPUs" in strict.stderr
    assert "START" not in strict.stderr
    assert leftovers(engine, project) == []


# -- on every change ----------------------------------------------------------------------------------


class Watched:
    """A `run-local --watch` under way, and what it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.said, self.results = process, "", ""
        reads = (self._read_results, self._read_notes)
        self._reading = [threading.Thread(target=each, daemon=True) for each in reads]
        for thread in self._reading:
            thread.start()

    def interrupt(self) -> int:
        """Ctrl-C; the exit code, once all that was said is read."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        for thread in self._reading:
            thread.join(PATIENCE)
        return code

    def _read_results(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.results += line

    def _read_notes(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said += line

    def until(self, text: str, times: int = 1) -> None:
        end = time.monotonic() + PATIENCE
        while self.said.count(text) < times:
            assert time.monotonic() < end, f"no {text!r} in {self.said}"
            time.sleep(0.05)


@contextmanager
def watched(project: Program, *flags: str) -> Iterator[Watched]:
    process = project.start("run-local", "hello", "--watch", *flags)
    try:
        yield Watched(process)
    finally:
        process.kill()
        process.wait()


def test_a_change_of_what_is_run_runs_it_again(project: Program, engine: Engine) -> None:
    manifest = job(project, *shell("cat words.txt"), include=["words.txt"])
    put(project.root / "words.txt", "first\n")
    with watched(project) as run:
        run.until("waiting for a change")
        # What is no part of it runs nothing, nor does what is written anew as it was.
        (project.root / "other.txt").write_text("other")
        put(project.root / "words.txt", "first\n")
        put(project.root / "words.txt", "second\n")
        run.until("changed: ")
        run.until("waiting for a change", 2)
        put(manifest, "agent: {type: command\n")
        run.until("hello.yaml:2")
        run.until("waiting for a change", 3)
        job(project, *shell("echo third"))
        run.until("waiting for a change", 4)
        assert run.interrupt() == 130
    runs = sorted((project.root / ".lambdactl/runs").iterdir())
    assert [(each / "stdout/000001.log").read_text() for each in runs] == ["first\n", "second\n", "third\n"]
    assert leftovers(engine, project) == []


def test_a_change_while_it_runs_stops_it_softly_and_begins_again(project: Program, engine: Engine) -> None:
    job(project, *shell("echo begun; sleep 600"))
    with watched(project) as run:
        run.until("begun")
        job(project, *shell("echo begun anew; sleep 600"))
        run.until("stopping the run, to begin again")
        run.until("cancelled")
        run.until("begun anew")
        assert run.interrupt() == 1
    assert run.results.count("cancelled") == 2
    assert leftovers(engine, project) == []


def test_the_input_counts_too(project: Program, tmp_path: Path) -> None:
    job(project, "/bin/cat")
    file = tmp_path / "input.json"
    file.write_text("1")
    with watched(project, "--input", str(file)) as run:
        run.until("waiting for a change")
        put(file, "2")
        run.until("waiting for a change", 2)
