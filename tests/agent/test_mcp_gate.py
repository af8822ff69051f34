"""Servers that do not come up, with both CLIs: a required one ends the run, an optional one is noted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.bench import Bench
from tests.agent.both import EVERYTHING, KINDS, run

TIMEOUT = {"env": {"MCP_TIMEOUT": "4000"}}  # Claude Code's own; Codex waits its 30 seconds
ENOUGH = {"env": {"MCP_TIMEOUT": "15000"}}  # for one that comes up


def server(script: str) -> dict[str, Any]:
    return {"type": "stdio", "command": "/bin/sh", "args": ["-c", script], "env": {}}


BROKEN: dict[str, dict[str, Any]] = {
    "dies": server("echo no token given >&2; exit 2"),
    "hangs": server("echo I wait >&2; exec sleep 300"),
    "babbles": server("echo hello; echo strange >&2; exec cat > /dev/null"),
    "refuses": {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {}},
}
WORDS = {"dies": "no token given", "hangs": "I wait", "babbles": "strange", "refuses": ""}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BROKEN)
def test_a_required_server_ends_the_run(clis: Bench, kind: str, name: str) -> None:
    done = run(kind, clis, {"say": "never"}, mcpServers={name: BROKEN[name]}, agent=TIMEOUT)
    outcome, reason = done.ending
    assert outcome == "mcp_unavailable"
    assert reason.startswith(f"MCP server {name}: ")
    assert WORDS[name] in reason
    assert [each["name"] for each in done.result["mcpServers"]] == [name]
    assert done.result["mcpServers"][0]["status"] != "connected"


@pytest.mark.parametrize("kind", KINDS)
def test_optional_servers_are_told_of_and_the_run_goes_on(clis: Bench, kind: str) -> None:
    servers = {name: {**each, "optional": True} for name, each in BROKEN.items()}
    servers["everything"] = {**EVERYTHING, "optional": True}
    done = run(
        kind,
        clis,
        {"tool": "mcp__everything__get-sum", "input": {"a": 20, "b": 22}},
        {"say": "{result}"},
        mcpServers=servers,
        agent=ENOUGH,
    )
    assert done.ending == ("succeeded", "")
    assert done.result["output"] == "The sum of 20 and 22 is 42."
    states = {each["name"]: each["status"] for each in done.result["mcpServers"]}
    assert states.pop("everything") == "connected"
    assert states.keys() == BROKEN.keys()
    assert states["dies"] == states["refuses"] == "failed"
    assert set(states.values()) <= {"failed", "pending"}  # Claude Code says pending of what still hangs
    assert len(done.result["notes"]) == len(BROKEN)
    told = [line["message"].split()[3] for line in done.lines if "optional MCP" in line.get("message", "")]
    assert sorted(told) == sorted(f"{name}:" for name in states if states[name] != "pending")  # once each
    for note, name in zip(done.result["notes"], sorted(BROKEN), strict=True):
        assert note.startswith(f"optional MCP server {name}: {states[name]}")
        assert WORDS[name] in note


@pytest.mark.parametrize("kind", KINDS)
def test_a_required_server_beside_an_optional_one_is_still_required(clis: Bench, kind: str) -> None:
    servers = {"extra": {**BROKEN["dies"], "optional": True}, "needed": BROKEN["dies"]}
    done = run(kind, clis, {"say": "never"}, mcpServers=servers)
    assert done.ending == ("mcp_unavailable", "MCP server needed: failed (no token given)")
