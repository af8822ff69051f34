"""Agents that hang, crash, or take too much: each end has its name. With the real CLIs where they can."""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import replace
from typing import Any

import pytest

from agent.clis.claude_code import ClaudeCode
from agent.clis.codex import Codex
from agent.memory import EVERY, Meter, ran_out, resident, share
from agent.outcome import decide
from agent.processes import oom_kills
from agent.supervise import Ending
from agent.watchdog import ANSWER, Silence, Watchdog, tool_limit
from tests.agent.bench import Bench, Done, definition
from tests.agent.test_adapters import assignment
from tests.support.model import KEY

EVERYTHING = {"type": "stdio", "command": "mcp-server-everything", "args": ["stdio"], "env": {}}
LONG = {"tool": "mcp__everything__trigger-long-running-operation", "input": {"duration": 3000, "steps": 1}}
AGENTS: dict[str, dict[str, Any]] = {
    "claude-code": {"version": "2.1.240", "model": "claude-sonnet-4-5", "provider": "anthropic"},
    "codex": {"version": "0.169.0", "model": "gpt-5.5", "provider": "openai"},
}
SIGN = "touch hanging; echo it begins"


def run(clis: Bench, type_: str, *steps: dict[str, Any], hurried: bool = True, **changes: Any) -> Done:
    """`hurried`: the supervisor's time flies once the agent has made the file `hanging`."""
    agent = {
        "type": type_,
        **AGENTS[type_],
        "prompt": f"SCRIPT: {json.dumps(steps)}",
        **changes.pop("agent", {}),
    }
    key = "ANTHROPIC_API_KEY" if type_ == "claude-code" else "OPENAI_API_KEY"
    document = definition(agent, **{"secrets": {key: "/demo/key"}, "timeout": 900, **changes})
    door = ("tests.agent.hurried", str(clis.work / "workspace" / "hanging")) if hurried else ()
    env = changes.pop("function", {})
    return clis.run(document, secrets={key: KEY}, door=door, env=env)


@pytest.mark.parametrize("type_", AGENTS)
@pytest.mark.parametrize(
    "hang",
    [
        [{"say": "I begin"}, {"delay": 3000}, {"say": "too late"}],  # in the middle of an answer
        [LONG],
        [{"bash": "sleep 7401"}],
    ],
    ids=["model", "mcp", "shell"],
)
def test_an_agent_that_hangs_is_stopped(clis: Bench, type_: str, hang: list[dict[str, Any]]) -> None:
    done = run(clis, type_, {"bash": SIGN}, *hang, {"say": "done"}, mcpServers={"everything": EVERYTHING})
    outcome, reason = done.ending
    assert outcome == "stalled"
    assert reason.startswith("no sign of life for ")
    assert "it begins" in done.text("events/000001.jsonl")
    assert [name for name in done.files() if name.startswith("transcript/")]


@pytest.mark.parametrize("type_", AGENTS)
def test_a_tool_that_takes_too_long_is_told_to_the_model(clis: Bench, type_: str) -> None:
    """Half of the run's time is the most, so something can still be done about it."""
    done = run(
        clis, type_, LONG, {"say": "it said: {result}"}, hurried=False, timeout=4,
        mcpServers={"everything": EVERYTHING},
    )  # fmt: skip
    assert done.ending == ("succeeded", "")
    assert "time" in done.result["output"]


def test_a_cli_that_says_nothing_at_all(clis: Bench) -> None:
    """Codex waits for its servers before its first word."""
    mute = {"type": "stdio", "command": "/bin/sh", "args": ["-c", "touch hanging; sleep 7411"], "env": {}}
    done = run(clis, "codex", {"say": "never"}, mcpServers={"mute": mute})
    outcome, reason = done.ending
    assert outcome == "start_timeout"
    assert reason.startswith("no sign of life in ")


@pytest.mark.parametrize("type_", AGENTS)
def test_a_cli_that_crashes(clis: Bench, type_: str) -> None:
    done = run(clis, type_, {"bash": kill("ABRT")}, {"say": "never"}, hurried=False)
    assert (done.ending[0], done.result["signal"]) == ("failed", "SIGABRT")
    assert done.ending[1].startswith("killed by SIGABRT")
    assert done.result["memoryPeakMb"] > 20


@pytest.mark.parametrize(("memory", "outcome"), [("100", "out_of_memory"), ("99999", "failed")])
def test_a_cli_that_is_killed(clis: Bench, memory: str, outcome: str) -> None:
    """Where the kernel does not count whom it kills for memory, how much was in use has to tell."""
    if oom_kills() is not None:
        outcome = "failed"  # it does here, and it killed nobody
    done = run(
        clis, "claude-code", {"bash": f"sleep 2; {kill('KILL')}"}, {"say": "never"}, hurried=False,
        function={"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory},
    )  # fmt: skip
    assert (done.ending[0], done.result["signal"]) == (outcome, "SIGKILL")
    assert f"with {done.result['memoryPeakMb'] - 1:,} MB in use at most" in done.ending[1]


KILL = """python3 -c '
import os, signal
pid = os.getppid()
while os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith(("bash", "sh", "dash", "python")):
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
os.kill(pid, signal.%s)'"""


def kill(name: str) -> str:
    """Kills the CLI out of its shell: the nearest ancestor that is none of the shells between."""
    return KILL % f"SIG{name}"


def test_a_cli_that_does_not_exit_after_its_last_word(bench: Bench) -> None:
    """claude-code#25629: the run has succeeded all the same."""
    last = json.dumps({"type": "result", "subtype": "success", "result": "done", "num_turns": 1, "usage": {}})
    program = bench.home / "bin" / "claude"
    program.write_text(f"#!/bin/sh\ntouch hanging\necho '{last}'\nexec sleep 7421\n")
    program.chmod(0o755)
    done = run(bench, "claude-code")
    assert done.ending == ("succeeded", "")
    assert done.result["notes"] == ["the agent did not exit after its last event and was stopped"]


@pytest.mark.parametrize(
    ("env", "between"),
    [
        ({}, 30 + ANSWER),
        ({"MCP_TOOL_TIMEOUT": "400000"}, 400 + ANSWER),
        ({"MCP_TOOL_TIMEOUT": "?"}, 30 + ANSWER),
    ],
)
def test_a_manifest_may_give_tools_more_time(env: dict[str, str], between: float) -> None:
    """And then the agent may be silent for longer."""
    given = replace(assignment("claude-code"), agent_env=env, seconds=60)
    assert ClaudeCode(given).silence.between == between


def test_codex_and_its_shell_have_the_same_bound() -> None:
    """Our shell says itself that a command took too long, before Codex loses its patience with it."""
    cli = Codex(replace(assignment("codex"), seconds=60))
    config = tomllib.loads(next(text for path, text in cli.launch().files.items() if path.suffix == ".toml"))
    shell = config["mcp_servers"]["shell"]
    assert (shell["args"][-1], shell["tool_timeout_sec"]) == ("30", 35)
    assert cli.silence.between == 35 + ANSWER


@pytest.mark.parametrize(("silent", "bites"), [(9, ""), (11, "start_timeout")])
def test_before_the_first_word(silent: float, bites: str) -> None:
    dog = Watchdog(Silence(start=10, between=5), now=100)
    assert dog.bites(100 + silent) == bites


@pytest.mark.parametrize(("silent", "bites"), [(4, ""), (6, "stalled")])
def test_after_the_first_word(silent: float, bites: str) -> None:
    dog = Watchdog(Silence(start=10, between=5), now=100)
    dog.heard(109)
    assert dog.bites(109 + silent) == bites


def test_who_need_not_speak_may_be_silent() -> None:
    assert Watchdog(None, now=0).bites(1e9) == ""


@pytest.mark.parametrize(("seconds", "most"), [(1, 1), (4, 2), (600, 300), (900, 450), (7200, 600)])
def test_a_tool_may_take_half_of_the_run(seconds: int, most: int) -> None:
    assert tool_limit(seconds) == most


def test_memory_is_looked_at_now_and_then() -> None:
    looked: list[int] = []
    meter = Meter(pids=lambda: looked.append(1) or {0})  # type: ignore[func-returns-value]
    for tenth in range(int(EVERY * 30)):
        meter.look(1000 + tenth / 10)
    assert len(looked) == 3


def test_a_c_library_that_is_another_is_no_error() -> None:
    assert share() in (True, False)


def test_memory_is_what_a_process_holds() -> None:
    import subprocess

    script = "x = bytearray(50 << 20); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        meter = Meter(pids=lambda: [child.pid, 2**22 - 1])
        meter.look(0)
        assert 50 << 20 < meter.peak < 100 << 20
        assert 50 << 20 < resident(child.pid) < 100 << 20
        child.communicate()
    assert meter.close() >= 50 << 20


@pytest.mark.parametrize(
    ("code", "kills", "peak", "limit", "out"),
    [
        (-9, None, 79, 100, False),  # the kernel does not count: the peak tells
        (-9, None, 80, 100, True),
        (137, None, 80, 100, True),
        (-9, None, 0, None, True),
        (-9, 1, 10, 100, True),  # it counts: that tells
        (-9, 0, 79, 100, False),
        (-9, 0, 80, 100, True),  # the limit was kept from outside, where it does not count
        (-9, 0, 99, None, False),
        (-11, 1, 99, 100, False),  # a crash, whatever else was killed
        (1, None, 99, 100, False),
        (None, None, 99, 100, False),
    ],
)
def test_out_of_memory_or_not(
    code: int | None, kills: int | None, peak: int, limit: int | None, out: bool
) -> None:
    assert ran_out(code, kills, peak, limit) is out


@pytest.mark.parametrize("why", ["start_timeout", "stalled"])
def test_what_a_watchdog_stopped_has_its_name(why: Any) -> None:
    ending = Ending(exit_code=143, signal=None, why=why, finished=False, silent=421.3)
    verdict = decide(ending, None, abort=None, speaks=True, timeout=900)
    assert (verdict.outcome, "421 s" in verdict.reason) == (why, True)
