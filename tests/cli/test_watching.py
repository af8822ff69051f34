"""`logs` and `cancel` as a user meets them: runs in the bucket, on this machine, and in the sandbox."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.runs import new_run_id
from tests.support.cloud import ACCOUNT, REGION, Cloud
from tests.support.program import Program

BUCKET = f"demo-main-{ACCOUNT}-{REGION}"
JOB = "agent: { type: command, command: [echo, hello] }\nprefix: triage/\ntimeout: 1m\n"
RESULT = {
    "version": 1,
    "job": "triage",
    "outcome": "succeeded",
    "reason": "",
    "startedAt": "2026-11-23T10:00:00.000Z",
    "endedAt": "2026-11-23T10:00:12.500Z",
}
CLAUDE = [
    {"type": "system", "subtype": "init", "session_id": "s", "model": "m"},
    {"type": "assistant", "message": {"content": [{"type": "text", "text": "I look\u202e at \x1b[2J it"}]}},
    {"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "Bash", "input": {"c": 1}}]}},
    {"type": "user", "message": {"content": [{"type": "tool_result", "content": "42", "is_error": True}]}},
    {"type": "result", "num_turns": 2, "total_cost_usd": 0.5, "usage": {"input_tokens": 10}},
    {"type": "result", "num_turns": 1, "usage": {"input_tokens": 1, "cache_read_input_tokens": 2000}},
]
CODEX = [
    {"type": "thread.started", "thread_id": "t"},
    {
        "type": "item.started",
        "item": {"type": "mcp_tool_call", "server": "s", "tool": "sum", "arguments": {}},
    },
    {"type": "item.completed", "item": {"type": "mcp_tool_call", "result": {"content": [{"text": "42"}]}}},
    {"type": "item.completed", "item": {"type": "agent_message", "text": "It is 42."}},
    {"type": "turn.completed", "usage": {"input_tokens": 10, "output_tokens": 2}},
    {"type": "turn.completed", "usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2}},
    {"type": "item.started", "item": {"type": "mcp_tool_call", "server": "shell", "tool": "shell"}},
    {"type": "error", "message": '{"error": {"message": "the limit is reached"}}'},
    {"type": "turn.failed", "error": {"message": "[1]"}},
]
Put = Callable[[str, bytes], None]


@pytest.fixture
def program(lambdactl: Program, cloud: Cloud) -> Program:
    (lambdactl.root / "lambdactl.yaml").write_text(f"project: demo\nregion: {REGION}\n")
    (lambdactl.root / "jobs" / "triage.yaml").write_text(JOB)
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    machine = {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "made-up",
    }
    return replace(lambdactl, machine=machine)


@pytest.fixture
def run_id() -> str:
    return new_run_id()


@pytest.fixture
def put(cloud: Cloud, run_id: str) -> Put:
    client = cloud.client("s3")
    return lambda name, body: (
        client.put_object(Bucket=BUCKET, Key=f"triage/{run_id}/{name}", Body=body) and None
    )


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in events)


def ended(put: Put, run_id: str, **changes: str) -> None:
    put("result.json", json.dumps({**RESULT, "runId": run_id, **changes}).encode())


def test_events_are_drawn_and_their_parts_are_one_text(program: Program, put: Put, run_id: str) -> None:
    whole = lines(*CLAUDE, *CODEX) + b"no \x1b[2J event\n{broken\n"
    for number, start in enumerate(range(0, len(whole), 100), 1):  # whatever the parts, in lines or values
        put(f"events/{number:06}.jsonl", whole[start : start + 100])
    put("stderr/000001.log", b"not shown\n")
    ended(put, run_id)
    done = program("logs", run_id)
    assert done.stdout.splitlines() == [
        "  session s, m",
        "I look\\u202e at \\x1b[2J it",
        '→ Bash {"c": 1}',
        "✗ 42",
        "  2 turns, 10 in, 0 out, $0.5000",
        "  1 turn, 2,001 in (2,000 from the cache), 0 out",
        "  thread t",
        "→ mcp__s__sum {}",
        "← 42",
        "It is 42.",
        "  10 in, 2 out",
        "  10 in (4 from the cache), 2 out",
        "→ shell null",
        "  the limit is reached",
        "  [1]",
        "no \\x1b[2J event",
        "{broken",
    ]
    assert "succeeded" in done.stderr
    assert "there is more: --stream stderr" in done.stderr
    raw = program("logs", run_id, "--json").stdout.splitlines()
    assert [json.loads(line) for line in raw[:-2]] == [*CLAUDE, *CODEX]
    assert "\x1b" not in "".join(raw)
    assert "\u202e" not in "".join(raw)


def test_the_events_of_legs_are_drawn_too(program: Program, put: Put, run_id: str) -> None:
    put("legs/1/events/000001.jsonl", lines(CLAUDE[2]))
    put("legs/2/events/000001.jsonl", lines(CLAUDE[3]))
    put("legs/2/stderr/000001.log", b"oh\n")
    ended(put, run_id)
    done = program("logs", run_id)
    assert done.stdout.splitlines() == ['→ Bash {"c": 1}', "✗ 42"]
    assert [line for line in done.stderr.splitlines() if line.startswith("---")] == [
        "--- legs/1/events",
        "--- legs/2/events",
    ]
    assert "--stream stderr" in done.stderr
    assert json.loads(program("logs", run_id, "--json").stdout.splitlines()[0]) == CLAUDE[2]


def test_any_stream_by_its_name(program: Program, put: Put, run_id: str) -> None:
    put("request.json", b"{}")
    put("stderr/000001.log", b"one\n")
    put("stderr/000002.log", b"two\nhalf")
    put("transcript/b/000001.jsonl", b'{"a": 1}\n')
    put("transcript/a/000001.jsonl", b'{"a": 0}\n')
    put("mcp/github/000001.log", b"ready\n")
    nothing = program("logs", run_id)
    assert nothing.stdout == ""
    assert "--stream mcp, stderr, transcript" in nothing.stderr
    assert program("logs", run_id, "--stream", "stderr").stdout == "one\ntwo\nhalf\n"
    transcript = program("logs", run_id, "--stream", "transcript")
    assert transcript.stdout == '{"a": 0}\n{"a": 1}\n'
    assert "--- transcript/a" in transcript.stderr
    assert program("logs", run_id, "--stream", "mcp").stdout == "ready\n"
    program("logs", run_id, "--stream", "nonsense", code=64)


def heard(child: subprocess.Popen[str], count: int) -> list[str]:
    assert child.stdout
    return [child.stdout.readline() for _ in range(count)]


def test_a_name_is_one_line_whatever_it_holds(lambdactl: Program, run_id: str) -> None:
    folder = lambdactl.root / ".lambdactl" / "runs" / run_id / "mcp" / "a\x1b[2Jb\nsucceeded"
    folder.mkdir(parents=True)
    (folder / "000001.log").write_text("hi\n")
    done = lambdactl("logs", run_id, "--stream", "mcp")
    assert done.stdout == "hi\n"
    assert "--- mcp/a\\x1b[2Jb succeeded\n" in done.stderr


def test_an_interrupted_follow_leaves_without_a_trace(program: Program, run_id: str) -> None:
    with program.start("logs", run_id, "--follow") as child:
        assert child.stderr
        while "waiting for" not in (line := child.stderr.readline()):
            assert line
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == ""
    assert child.returncode == 130


def test_follow_shows_what_comes_from_before_it_begins_until_it_ended(
    program: Program, put: Put, run_id: str
) -> None:
    with program.start("logs", run_id, "--follow") as child:
        assert child.stderr
        assert child.stderr.readline() == f"waiting for {run_id} to begin\n"
        put("request.json", b"{}")
        put("stdout/000001.log", b"one\ntw")
        assert heard(child, 1) == ["one\n"]
        put("stdout/000002.log", b"o\n")
        assert heard(child, 1) == ["two\n"]
        put("stdout/000003.log", b"three")
        ended(put, run_id, outcome="timed_out")
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, "three\n")
    assert "timed_out" in err


def test_a_lost_run_is_shown_with_what_was_saved(program: Program, put: Put, run_id: str) -> None:
    (program.root / "jobs" / "triage.yaml").write_text(JOB.replace("1m", "1s"))
    put("request.json", b"{}")
    put("stdout/000001.log", b"the last words\n")
    # What S3 calls the time cannot be chosen: a clock of ours that is three minutes on can.
    for command, expected in (("runs", ""), (f"show {run_id}", ""), (f"logs {run_id}", "the last words\n")):
        argv = command.split()
        done = subprocess.run(
            [sys.executable, "-P", "-c", LATER, *argv],
            cwd=program.root,
            env=program.environment,
            text=True,
            capture_output=True,
            check=True,
        )
        said = done.stdout + done.stderr
        assert "lost" in said
        assert "lost at 20" in said
        assert "lost: lost" not in said
        assert "saved: 2 files, 17 bytes" in said or command == "runs"
        assert expected in done.stdout


LATER = """
from datetime import UTC, datetime, timedelta
from lambdactl import runs, project
class Later(runs.Runs):
    def __init__(self, aws, site):
        super().__init__(aws, site, now=lambda: datetime.now(UTC) + timedelta(minutes=4))
runs.Runs = Later
from lambdactl.cli import main
main()
"""


def test_cancel_asks_a_running_run_and_refuses_any_other(
    program: Program, put: Put, run_id: str, cloud: Cloud
) -> None:
    program("cancel", "nonsense", code=1)
    unknown = program("cancel", run_id, code=1)
    assert "there is no run" in unknown.stderr
    assert "--job" in unknown.stderr
    put("request.json", b"{}")
    assert "asked" in program("cancel", run_id).stderr
    key = f"triage/{run_id}/control/cancel"
    asked = json.loads(cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert asked["version"] == 1
    ended(put, run_id)
    assert "is not running: it is succeeded" in program("cancel", run_id, code=1).stderr


def test_a_run_that_has_not_begun_is_cancelled_by_its_job(
    program: Program, cloud: Cloud, run_id: str
) -> None:
    said = program("cancel", run_id, "--job", "triage").stderr
    assert "has not begun" in said
    keys = cloud.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [each["Key"] for each in keys] == [f"triage/{run_id}/control/cancel"]


def test_a_run_of_this_machine(lambdactl: Program, run_id: str) -> None:
    folder = lambdactl.root / ".lambdactl" / "runs" / run_id
    (folder / "stdout").mkdir(parents=True)
    (folder / "stdout" / "000001.log").write_text("one\nt")
    (folder / "stdout" / "000002.log").write_text("wo\n")
    done = lambdactl("logs", run_id, "--follow")
    assert done.stdout == "one\ntwo\n"
    assert "lost at 20" in done.stderr
    assert "sandbox" not in done.stderr  # nobody was asked
    assert "one of this machine" in lambdactl("cancel", run_id, code=1).stderr


SLOW = """\
agent: {type: command, command: ["sh", "-c", "echo begun; echo kept > out.txt; sleep 7251"]}
prefix: slow/
timeout: 2m
artifacts: [out.txt]
"""


@pytest.fixture
def launched(sandbox: Program) -> tuple[Program, str]:
    (sandbox.root / "jobs" / "slow.yaml").write_text(SLOW)
    sandbox("apply", "--yes")
    run = json.loads(sandbox("launch", "slow", "--format", "json").stdout)[0]
    return sandbox, run["id"]


def test_a_running_function_is_followed_and_cancelled(launched: tuple[Program, str]) -> None:
    """The whole path: launch, logs --follow, cancel, with the embedded AWS and real processes."""
    sandbox, run_id = launched
    with sandbox.start("logs", run_id, "--follow") as child:
        assert heard(child, 1) == ["begun\n"]
        done = sandbox("cancel", run_id, "--wait")
        assert "cancelled: somebody asked for it" in done.stdout
        child.communicate(timeout=60)
    assert child.returncode == 0
    files = Path(sandbox.root.parent / "home")
    sandbox("show", run_id, "--download", str(files))
    assert (files / "artifacts" / "out.txt").read_text() == "kept\n"
