"""The lines of a run's streams as a person wants to read them, or safe for a program. No printing, no AWS.

What an agent CLI wrote is not ours: it is read leniently, and what is not understood is shown as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from lambdactl.report import escape
from lambdactl.report.runs import told

Event = Mapping[str, Any]

_COUNTS = (  # in our words; in Anthropic's and OpenAI's
    ("inputTokens", "input_tokens"),
    ("outputTokens", "output_tokens"),
    ("cacheReadTokens", "cache_read_input_tokens"),
    ("cacheReadTokens", "cached_input_tokens"),
    ("cacheWriteTokens", "cache_creation_input_tokens"),
    ("cacheWriteTokens", "cache_write_input_tokens"),
)


def raw(line: bytes) -> str:
    """One line; of JSON it is the same document."""
    text = line.decode("utf-8", "replace")
    return escape.json_(text) if text.startswith("{") else escape.terminal(text)


def plain(line: bytes) -> Text:
    return Text(escape.terminal(line.decode("utf-8", "replace").rstrip("\r")))


def drawn(line: bytes) -> Iterator[Text]:
    """An event of Claude Code's or Codex's stream, in none, one or several lines."""
    try:
        event = json.loads(line)
        texts = [told(each) for each in _read(event)] if isinstance(event, dict) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        texts = None
    if texts is None:
        yield plain(line)
        return
    yield from (text for text in texts if text is not None)


def _read(event: Event) -> Iterator[Event]:
    """Its meaning, in the words of the progress protocol (agent/progress.py)."""
    kind = str(event.get("type"))
    if kind in ("assistant", "user"):
        yield from _message((event.get("message") or {}).get("content"))
    elif kind == "system":
        yield from _system(event)
    elif kind == "result":
        usage = event.get("usage") or {}
        yield _usage(usage, turns=event.get("num_turns"), costUsd=event.get("total_cost_usd"))
        if event.get("is_error"):
            yield _log("error", event.get("result") or event.get("subtype"))
    elif kind.startswith("item."):
        yield from _item(kind, event.get("item") or {})
    elif kind == "turn.completed":
        yield _usage(event.get("usage") or {})
    elif kind == "turn.failed":
        yield _log("error", _reason((event.get("error") or {}).get("message")))
    elif kind == "error":
        yield _log("warning", _reason(event.get("message")))
    elif kind == "thread.started":
        yield _log("info", f"thread {event.get('thread_id')}")


def _system(event: Event) -> Iterator[Event]:
    if event.get("subtype") == "init":
        servers = [f"{each.get('name')} {each.get('status')}" for each in event.get("mcp_servers") or ()]
        yield _log("info", ", ".join([f"session {event.get('session_id')}, {event.get('model')}", *servers]))
    elif event.get("subtype") == "api_retry":
        yield _log("warning", f"the model's API failed and is asked again: {event.get('error')}")


def _message(content: Any) -> Iterator[Event]:
    if isinstance(content, str):
        yield {"type": "agent.text", "text": content}
        return
    for block in content or ():
        match block.get("type"):
            case "text":
                yield {"type": "agent.text", "text": block.get("text", "")}
            case "tool_use":
                shown = json.dumps(block.get("input"), ensure_ascii=False)
                yield {"type": "agent.tool", "name": block.get("name"), "input": shown}
            case "tool_result":
                bad = bool(block.get("is_error"))
                yield {"type": "agent.toolResult", "text": _text(block.get("content")), "isError": bad}


def _item(kind: str, item: Event) -> Iterator[Event]:
    begun, failed = kind == "item.started", item.get("status") == "failed"
    match item.get("type"):
        case "agent_message" if not begun:
            yield {"type": "agent.text", "text": item.get("text", "")}
        case "mcp_tool_call" if begun:
            shown = json.dumps(item.get("arguments"), ensure_ascii=False)
            yield {"type": "agent.tool", "name": _tool(item), "input": shown}
        case "mcp_tool_call" if kind == "item.completed":
            result, error = item.get("result") or {}, item.get("error") or {}
            text = _text(result.get("content")) or error.get("message") or ""
            yield {"type": "agent.toolResult", "text": text, "isError": failed}
        case "command_execution" if begun:
            yield {"type": "agent.tool", "name": "command", "input": item.get("command", "")}
        case "command_execution" if kind == "item.completed":
            yield {"type": "agent.toolResult", "text": item.get("aggregated_output", ""), "isError": failed}
        case "file_change" if not begun:
            paths = " ".join(str(each.get("path")) for each in item.get("changes") or ())
            yield {"type": "agent.tool", "name": "apply_patch", "input": paths}
        case "error":
            yield _log("warning", item.get("message"))


def _tool(item: Event) -> str:
    """As the supervisor calls it: Codex's shell is a server of ours, `shell_` where a job's has that name."""
    server, tool = str(item.get("server")), item.get("tool")
    return "shell" if server.rstrip("_") == tool == "shell" else f"mcp__{server}__{tool}"


def _reason(message: Any) -> Any:
    """What an error says; a refusal of the provider is told as the JSON that it was."""
    try:
        return json.loads(message)["error"]["message"]
    except (ValueError, TypeError, LookupError):
        return message


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(each.get("text", f"[{each.get('type')}]")) for each in content)
    return "" if content is None else str(content)


def _log(level: str, message: Any) -> Event:
    return {"type": "run.log", "level": level, "message": str(message)}


def _usage(usage: Event, **more: Any) -> Event:
    counted = {name: value for name, key in _COUNTS if isinstance(value := usage.get(key), int)}
    if "cached_input_tokens" in usage:  # OpenAI counts what has to do with the cache among the input
        cached = counted.get("cacheReadTokens", 0) + counted.get("cacheWriteTokens", 0)
        counted["inputTokens"] = max(0, counted.get("inputTokens", 0) - cached)
    return {"type": "agent.usage", **counted, **more}
