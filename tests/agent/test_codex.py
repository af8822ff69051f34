"""The real Codex with a scripted model, a real MCP server, and our own shell server in place of its shell."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.agent import lambdaish
from tests.agent.bench import EARLY, Bench, Done, alive, definition, ends_with
from tests.support.model import KEY

EVERYTHING = {"type": "stdio", "command": "mcp-server-everything", "args": ["stdio"], "env": {}}
MCP_TOKEN = "token-of-an-mcp-server"
PRICES = {"gpt-5.5": {"input": 5, "output": 30, "cacheRead": 0.5, "cacheWrite": 5}}


def run(clis: Bench, *steps: dict[str, Any], key: str = KEY, timeout: float = 60, **changes: Any) -> Done:
    how = {"prefix": changes.pop("prefix", ()), "env": changes.pop("function", {})}
    agent = {
        "type": "codex",
        "version": "0.169.0",
        "model": "gpt-5.5",
        "provider": "openai",
        "prompt": f"SCRIPT: {json.dumps(steps)}",
        "prices": PRICES,
        **changes.pop("agent", {}),
    }
    document = definition(agent, secrets={"OPENAI_API_KEY": "/demo/key", "MCP_TOKEN": "/demo/mcp"}, **changes)
    return clis.run(document, timeout=timeout, secrets={"OPENAI_API_KEY": key, "MCP_TOKEN": MCP_TOKEN}, **how)


@pytest.mark.parametrize("model", ["unknown-model", "gpt-5.5"])
def test_tools_a_server_and_all_that_is_left(clis: Bench, model: str) -> None:
    server = {**EVERYTHING, "env": {"TOKEN": "${secrets.MCP_TOKEN}"}}
    done = run(
        clis,
        {"say": "I start"},
        {"bash": "env; mkdir out; echo made > out/made.txt"},
        {"tool": "mcp__everything__get-env", "input": {}},
        {"tool": "mcp__everything__get-sum", "input": {"a": 20, "b": 22}},
        {"say": "It said: {result}"},
        mcpServers={"everything": server},
        artifacts=["out/*"],
        agent={"model": model, "systemPrompt": 'Say "please".', "env": {"GREETING": "hi"}, "maxTurns": 3},
    )
    result = done.result
    assert done.ending == ("succeeded", "")
    assert result["output"] == "It said: The sum of 20 and 22 is 42."
    assert result["mcpServers"] == [{"name": "everything", "status": "connected"}]
    assert result["usage"]["cacheReadTokens"] > 0
    assert result["turns"] is None
    unpriced = ["no price is known for unknown-model: so the cost is not known"]
    assert (result["costUsd"] is None) == (model == "unknown-model")
    assert result["resumable"]
    assert result["notes"] == ["maxTurns has no effect with codex", *unpriced * (model == "unknown-model")]
    assert done.text("artifacts/out/made.txt") == "made\n"
    assert {name.split("/")[0] for name in done.files()} == {
        "artifacts", "events", "mcp", "request.json", "result.json", "stderr", "transcript",
    }  # fmt: skip
    assert [line["name"] for line in done.lines if line["type"] == "agent.tool"] == [
        "shell", "mcp__everything__get-env", "mcp__everything__get-sum",
    ]  # fmt: skip
    events = done.text("events/000001.jsonl")
    assert "GREETING=hi" in events
    assert '\\"TOKEN\\": \\"***MCP_TOKEN***\\"' in events
    assert "API_KEY" not in events
    assert "AWS_" not in events
    assert "LAMBDACTL_" not in events
    for value in (KEY, MCP_TOKEN, "made-up-secret-access-key"):
        assert done.leaks(value) == []


@pytest.mark.parametrize(
    ("steps", "key", "reason"),
    [
        ([{"error": {"status": 500}}], KEY, "temporary errors"),
        ([{"say": "never"}], "another-made-up-key", "401"),
        ([{"say": "never"}], "", "CODEX_API_KEY"),
    ],
)
def test_a_model_that_does_not_answer(
    clis: Bench, steps: list[dict[str, Any]], key: str, reason: str
) -> None:
    done = run(clis, *steps, key=key)
    assert done.result["outcome"] == "failed"
    assert reason in done.result["reason"]
    assert "events/000001.jsonl" in done.files()


def test_a_server_that_does_not_start_ends_the_run(clis: Bench) -> None:
    broken = {
        "type": "stdio",
        "command": "/bin/sh",
        "args": ["-c", "echo no token given >&2; exit 2"],
        "env": {},
    }
    done = run(clis, {"bash": "touch worked"}, mcpServers={"broken": broken, "everything": EVERYTHING})
    assert done.ending == ("mcp_unavailable", "MCP server broken: failed (no token given)")
    assert done.result["mcpServers"] == [{"name": "broken", "status": "failed"}]


def test_a_shell_command_that_fails_is_told_to_the_model(clis: Bench) -> None:
    done = run(clis, {"bash": "echo why >&2; exit 3"}, {"say": "{result}"})
    assert done.result["output"].strip() == "Exit code: 3\nwhy"
    assert [line["isError"] for line in done.lines if line["type"] == "agent.toolResult"] == [True]


def test_a_declared_server_may_be_called_shell(clis: Bench) -> None:
    done = run(clis, {"bash": "echo ours > ours.txt"}, {"say": "done"}, mcpServers={"shell": EVERYTHING},
               artifacts=["*.txt"])  # fmt: skip
    assert done.text("artifacts/ours.txt") == "ours\n"


def test_the_deadline_in_a_long_tool_call(clis: Bench) -> None:
    script = "setsid sleep 7201 & echo begun > begun.txt; sleep 1; touch over; sleep 7202"
    done = run(
        clis, {"bash": script}, {"say": "too late"}, artifacts=["*.txt"],
        prefix=EARLY, function=ends_with("over"),
    )  # fmt: skip
    assert done.exit_code == 0  # in time
    assert done.result["outcome"] == "timed_out"
    assert done.text("artifacts/begun.txt") == "begun\n"
    assert "item.started" in done.text("events/000001.jsonl")
    assert [name for name in done.files() if name.startswith("transcript/")]
    assert not alive("sleep 7201")
    assert not alive("sleep 7202")


def test_its_shell_works_where_lambda_denies_prctl(clis: Bench) -> None:
    prefix = (sys.executable, lambdaish.__file__)
    script = "echo made > made.txt; echo it works"
    done = run(clis, {"bash": script}, {"say": "{result}"}, artifacts=["*.txt"], prefix=prefix)
    assert done.result["outcome"] == "succeeded"
    assert "it works" in done.result["output"]
    assert done.text("artifacts/made.txt") == "made\n"
