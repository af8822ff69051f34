"""The real Claude Code with a scripted model and a real MCP server."""

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
PRICES = {"claude-sonnet-4-5": {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75}}


def run(clis: Bench, *steps: dict[str, Any], key: str = KEY, timeout: float = 60, **changes: Any) -> Done:
    how = {"prefix": changes.pop("prefix", ()), "env": changes.pop("function", {})}
    agent = {
        "type": "claude-code",
        "version": "2.1.240",
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "prompt": f"SCRIPT: {json.dumps(steps)}",
        "prices": PRICES,
        **changes.pop("agent", {}),
    }
    secrets = {"ANTHROPIC_API_KEY": "/demo/key", "MCP_TOKEN": "/demo/mcp"}
    document = definition(agent, secrets=secrets, **changes)
    return clis.run(
        document, timeout=timeout, secrets={"ANTHROPIC_API_KEY": key, "MCP_TOKEN": MCP_TOKEN}, **how
    )


def test_tools_a_server_and_all_that_is_left(clis: Bench) -> None:
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
        agent={"systemPrompt": "Be brief.", "maxTurns": 10},
    )
    result = done.result
    assert done.ending == ("succeeded", "")
    assert result["output"] == "It said: The sum of 20 and 22 is 42."
    assert result["mcpServers"] == [{"name": "everything", "status": "connected"}]
    assert result["turns"] == 4
    assert result["costUsd"] > 0
    assert result["usage"]["inputTokens"] > 0
    assert result["sessionId"] == result["runId"]
    assert result["resumable"]
    assert {name.split("/")[0] for name in done.files()} == {
        "artifacts", "events", "mcp", "request.json", "result.json", "stderr", "transcript",
    }  # fmt: skip
    assert "The sum of 20 and 22" in done.text(next(name for name in done.files() if "transcript/" in name))
    assert [line["name"] for line in done.lines if line["type"] == "agent.tool"] == [
        "Bash", "mcp__everything__get-env", "mcp__everything__get-sum",
    ]  # fmt: skip
    # The server got its token, masked on its way out; nobody got the model's key, or what is ours.
    events = done.text("events/000001.jsonl")
    assert '\\"TOKEN\\": \\"***MCP_TOKEN***\\"' in events
    assert "***ANTHROPIC_API_KEY***" not in events
    assert "AWS_" not in events
    assert "LAMBDACTL_" not in events
    for value in (KEY, MCP_TOKEN, "made-up-secret-access-key"):
        assert done.leaks(value) == []


@pytest.mark.parametrize(
    ("steps", "key", "reason"),
    [
        ([{"error": {"status": 500, "message": "on fire"}}], KEY, "API Error: 500 on fire"),
        ([{"say": "never"}], "another-made-up-key", "API Error: 401"),
        ([{"say": "never"}], "", "Not logged in"),
    ],
)
def test_a_model_that_does_not_answer(
    clis: Bench, steps: list[dict[str, Any]], key: str, reason: str
) -> None:
    once = {"env": {"CLAUDE_CODE_MAX_RETRIES": "1"}}  # the manifest's env goes over ours
    done = run(clis, *steps, key=key, agent=once)
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
    assert done.text("mcp/broken/000001.log") == "no token given\n"
    assert {"name": "everything", "status": "connected"} in done.result["mcpServers"]


def test_turns_have_a_limit(clis: Bench) -> None:
    done = run(clis, {"bash": "true"}, {"bash": "true"}, {"say": "done"}, agent={"maxTurns": 1})
    assert done.ending == ("budget_exceeded", "the limit of 1 turns was reached")


def test_tools_that_are_not_allowed_are_noted(clis: Bench) -> None:
    agent = {"permissionMode": "dontAsk", "allowedTools": ["Bash(echo:*)"]}
    done = run(clis, {"bash": "echo yes > yes.txt"}, {"bash": "touch no.txt"}, {"say": "done"}, agent=agent)
    assert done.result["outcome"] == "succeeded"
    assert done.result["notes"] == ["tools were asked for and denied: Bash"]


def test_the_deadline_in_a_long_tool_call(clis: Bench) -> None:
    script = "setsid sleep 7101 & echo begun > begun.txt; sleep 1; touch over; sleep 7102"
    done = run(
        clis, {"bash": script}, {"say": "too late"}, artifacts=["*.txt"],
        prefix=EARLY, function=ends_with("over"),
    )  # fmt: skip
    assert done.exit_code == 0  # in time
    assert done.result["outcome"] == "timed_out"
    assert done.text("artifacts/begun.txt") == "begun\n"
    assert '"tool_use"' in done.text("events/000001.jsonl")
    assert [name for name in done.files() if name.startswith("transcript/")]
    assert not alive("sleep 7101")
    assert not alive("sleep 7102")


def test_its_shell_works_where_lambda_denies_prctl(clis: Bench) -> None:
    prefix = (sys.executable, lambdaish.__file__)
    script = "echo made > made.txt; echo it works"
    done = run(clis, {"bash": script}, {"say": "{result}"}, artifacts=["*.txt"], prefix=prefix)
    assert done.result["outcome"] == "succeeded"
    assert "it works" in done.result["output"]
    assert done.text("artifacts/made.txt") == "made\n"
