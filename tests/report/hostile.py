"""A run folder in which everything an agent can put text into is an attack on whoever looks at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

# {beacon} is a server that would see a request; `pwned` is what a script that ran would leave.
ATTACKS = (
    "<script>window.pwned=1;fetch('{beacon}/script')</script>",
    "</style></title></pre></svg></textarea><script>pwned=1</script>",
    "<img src={beacon}/img onerror=window.pwned=1>",
    "<svg onload=window.pwned=1><image href={beacon}/svg /></svg>",
    '<iframe src="javascript:parent.pwned=1"></iframe><object data={beacon}/object></object>',
    "\"><link rel=stylesheet href={beacon}/css><style>@import '{beacon}/import'</style>",
    "' onmouseover='window.pwned=1' style='background:url({beacon}/style)",
    "<meta http-equiv=refresh content='0;url={beacon}/refresh'><base href={beacon}/>",
    "<a href=javascript:window.pwned=1>x</a><form action={beacon}/form><button autofocus>",
    "<details open ontoggle=window.pwned=1><audio src={beacon}/audio autoplay onerror=pwned=1>",
    "javascript:window.pwned=1//",
    "]]><!--<![CDATA[ --!> {{{{ 7*7 }}}} {{% raw %}} ${{pwned=1}}",
    "\x00\x07\x1b[2J\x1b]0;title\x07\x08\x7f\x9b31m\u2028\u202e\u2066evil\u200b\ufeff",
    "\ud800 half a pair",
)
_USED = {"input_tokens": 10, "output_tokens": 5}


def attack(beacon: str) -> str:
    """All of them in one text."""
    return "\n".join(each.format(beacon=beacon) for each in ATTACKS)


def run(agent: str, beacon: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of the run folder, and the definition."""
    bad = attack(beacon)
    plain = bad.encode("utf-8", "replace") + b"\xff\xfe\xc3( \xed\xa0\x80\n"  # and no UTF-8
    name = bad.replace("\0", "").replace("\ud800", "")
    usage = {"inputTokens": 1, "outputTokens": 2, "cacheReadTokens": 3, "cacheWriteTokens": 4}
    result: dict[str, Any] = {
        "runId": "x", "job": bad, "outcome": bad, "reason": bad, "output": bad, "signal": bad, "turns": 3,
        "startedAt": "2026-11-26T04:00:00Z", "endedAt": "2026-11-26T04:10:00Z", "usage": usage,
        "costUsd": 0.5,
        "agent": {"type": agent, "version": bad, "model": bad}, "notes": [bad, 7, {"x": bad}],
        "mcpServers": [{"name": bad, "status": bad}, bad],
        "files": [{"path": f"artifacts/{name}", "size": len(plain), "sha256": bad}, bad],
    }  # fmt: skip
    files = {
        "result.json": json.dumps(result).encode(),
        "request.json": plain,
        "input.json": plain,
        "events/000001.jsonl": b"\n".join(map(_json, _EVENTS[agent](bad))) + b"\n" + plain + b"x" * 100_000,
        "transcript/rollout-x.jsonl": plain,
        "stdout/000001.log": plain,
        "stderr/000001.log": plain,
        f"mcp/{name}.log": plain,
        f"artifacts/{name}": plain,
        "artifacts/page.html": plain,
        "artifacts/workspace.patch": _patch(plain),
    }
    server = {"type": "stdio", "command": bad, "args": [bad], "env": {}}
    prompt = {
        "type": agent,
        "prompt": bad,
        "systemPrompt": bad,
        "command": [bad] if agent == "command" else [],
    }
    return files, {"agent": prompt, "mcpServers": {bad: server, "web": {"type": "http", "url": bad}}}


def _claude_code(bad: str) -> list[dict[str, Any]]:
    when = {"timestamp": "2026-11-26T04:01:00Z"}

    def message(kind: str, at: str, *content: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": kind,
            "timestamp": at,
            "message": {"id": bad, "usage": _USED, "content": list(content)},
        }

    return [
        {"type": "system", "subtype": "init", "mcp_servers": [{"name": bad, "status": bad}]},
        message(
            "assistant",
            "2026-11-26T04:01:00Z",
            {"type": "text", "text": bad},
            {"type": "thinking", "thinking": bad},
            {"type": "tool_use", "id": bad, "name": bad, "input": {bad: bad, "x": [bad]}},
            {"type": "tool_use", "id": "open", "name": f"mcp__{bad}__x", "input": bad},
        ),
        message("user", "2026-11-26T04:02:00Z", {"type": "tool_result", "tool_use_id": bad, "content": bad}),
        {"type": "system", "subtype": "api_retry", "error": bad, **when},
        {"type": bad, "subtype": bad},
    ]


def _codex(bad: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [
        {"id": bad, "type": "mcp_tool_call", "server": bad, "tool": bad, "arguments": {bad: bad},
         "result": {"content": [{"type": bad}, {"text": bad}]}, "status": "failed"},
        {"id": "2", "type": "agent_message", "text": bad},
        {"id": "3", "type": "reasoning", "text": bad},
        {"id": "4", "type": "command_execution", "command": bad, "aggregated_output": bad},
        {"id": "5", "type": "file_change", "changes": [{"path": bad, "kind": bad}]},
        {"id": "6", "type": "todo_list", "items": [{"text": bad}]},
        {"id": "7", "type": "error", "message": bad},
    ]  # fmt: skip
    done = [{"type": "item.completed", "item": item} for item in items]
    return [*done, {"type": "turn.failed", "error": {"message": bad}}, {"type": "error", "message": bad}]


_EVENTS: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "claude-code": _claude_code,
    "codex": _codex,
    "command": lambda bad: [],
}


def _patch(plain: bytes) -> bytes:
    first = plain.split(b"\n")[0]
    lines = b"".join(b"+" + line + b"\n" for line in plain.split(b"\n"))
    count = str(len(plain.split(b"\n"))).encode()
    head = b"diff --git a/%b b/%b\nnew file mode 100644\n--- /dev/null\n+++ b/%b\n" % (first, first, first)
    return head + b"@@ -0,0 +1,%b @@ %b\n" % (count, first) + lines


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()
