"""OpenAI Responses on the wire, as Codex 0.169.0 speaks it over plain HTTP. Pure, but for `wait`.

Source of the format: https://platform.openai.com/docs/api-reference/responses-streaming; Codex adds
`namespace` to the tools of an MCP server and to calls of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lambdactl.sandbox.model.conversation import (
    Conversation,
    Entry,
    Failure,
    Head,
    Prompt,
    Reply,
    Result,
    Text,
    Tool,
    Turn,
    Use,
    Wait,
)

PIECE = 48  # characters of a text delta
CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}
REASONS = {"max_tokens": "max_output_tokens", "refusal": "content_filter"}
CALLS = {"function_call", "custom_tool_call"}
OUTPUTS = {"function_call_output", "custom_tool_call_output"}
# Codex puts "Wall time: ..." and the like before a tool's own output.
PREAMBLE = re.compile(
    r"(?:(?:(?:Exit code:|Process exited with code) (?P<code>\d+)"
    r"|(?:Chunk ID|Wall time|Original token count):.*)\n)+Output:(?:\n|$)"
)
CWD = re.compile(r"<cwd>([^<]+)</cwd>")


def read(body: Mapping[str, Any]) -> Conversation:
    items = list(_items(body))
    offered = [*body.get("tools", ())]
    for item in items:  # what a search found may be called from then on
        offered += item.get("tools", ()) if item.get("type") == "tool_search_output" else ()
    return Conversation(
        entries=tuple(_entries(items)),
        tools=tuple(_tools(offered)),
        cwd=next((found.group(1) for item in items if (found := CWD.search(_text(item)))), ""),
        searched=tuple(
            item["arguments"]["query"] for item in items if item.get("type") == "tool_search_call"
        ),
        format=((body.get("text") or {}).get("format") or {}).get("schema"),
    )


def _items(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    given = body.get("input", ())
    yield from [{"role": "user", "content": given}] if isinstance(given, str) else given


def _tools(tools: Any, namespace: str = "") -> Iterator[Tool]:
    for tool in tools:
        if tool["type"] == "namespace":
            yield from _tools(tool["tools"], tool["name"])
        elif tool["type"] == "tool_search" and tool.get("execution") == "client":
            yield Tool(name="tool_search", wire="tool_search", schema={}, finds=True)
        elif tool["type"] in ("function", "custom"):
            yield Tool(
                name=f"{namespace}__{tool['name']}" if namespace else tool["name"],
                wire=tool["name"],
                namespace=namespace,
                schema=tool.get("parameters") or {},
                freeform=tool["type"] == "custom",
            )


def _entries(items: list[Mapping[str, Any]]) -> Iterator[Entry]:
    """Items of the model between two items of others are one reply of it."""
    names: dict[str, str] = {}  # call_id -> name
    calls: list[str] | None = None
    for item in items:
        kind = item.get("type", "message")
        if kind in CALLS or item.get("role") == "assistant":
            calls = calls or []
            if kind in CALLS:
                names[item["call_id"]] = _name(item)
                calls.append(_name(item))
            continue
        if kind not in OUTPUTS and item.get("role") != "user":
            continue
        if calls is not None:
            yield Reply(calls=tuple(calls))
            calls = None
        if kind in OUTPUTS:
            yield _result(names.get(item["call_id"], ""), _text(item, "output"))
        elif not _text(item).lstrip().startswith("<environment_context>"):
            yield Prompt(text=_text(item))
    if calls is not None:
        yield Reply(calls=tuple(calls))


def _result(tool: str, text: str) -> Result:
    head = PREAMBLE.match(text)
    if head is None:
        return Result(tool=tool, text=text)
    return Result(tool=tool, text=text[head.end() :], is_error=head["code"] not in (None, "0"))


def _name(item: Mapping[str, Any]) -> str:
    namespace = item.get("namespace")
    return f"{namespace}__{item['name']}" if namespace else str(item["name"])


def _text(item: Mapping[str, Any], key: str = "content") -> str:
    content = item.get(key, "")
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content or () if "text" in block)


def whole(turn: Turn, head: Head) -> dict[str, Any]:
    parts = [part for part in turn.parts if not isinstance(part, Wait)]
    return _response(turn, head, [_item(part, head, number) for number, part in enumerate(parts)])


def stream(turn: Turn, head: Head, wait: Callable[[float], None]) -> Iterator[dict[str, Any]]:
    started = {"id": f"resp_{head.digest[:24]}", "object": "response", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": started}
    items: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, Wait):
            wait(part.seconds)
            continue
        item, index = _item(part, head, len(items)), len(items)
        yield {"type": "response.output_item.added", "output_index": index, "item": {**item, **_empty(part)}}
        if isinstance(part, Text):
            yield from _text_deltas(part.text, item["id"], index)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
        items.append(item)
    response = _response(turn, head, items)
    yield {"type": f"response.{response['status']}", "response": response}


def error(failure: Failure, request_id: str) -> dict[str, Any]:
    server = failure.status >= 500
    kind = failure.kind or ("server_error" if server else "invalid_request_error")
    code = CODES.get(failure.status)
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}


def _response(turn: Turn, head: Head, items: list[dict[str, Any]]) -> dict[str, Any]:
    usage = head.usage
    total = usage.fresh + usage.cache_read + usage.cache_write
    reason = REASONS.get(turn.stop)
    return {
        "id": f"resp_{head.digest[:24]}",
        "object": "response",
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "model": head.model,
        "output": items,
        "usage": {
            "input_tokens": total,
            "input_tokens_details": {"cached_tokens": usage.cache_read},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": total + usage.output,
        },
    }


def _item(part: Text | Use, head: Head, index: int) -> dict[str, Any]:
    mark = f"{head.digest[:22]}{index}"
    if isinstance(part, Text):
        content = [{"type": "output_text", "text": part.text, "annotations": []}]
        return {
            "type": "message",
            "id": f"msg_{mark}",
            "role": "assistant",
            "status": "completed",
            "content": content,
        }
    if part.tool.finds:
        asked = {"call_id": f"call_{mark}", "execution": "client", "arguments": part.input}
        return {"type": "tool_search_call", "id": f"tsc_{mark}", **asked, "status": "completed"}
    call = {"call_id": f"call_{mark}", "name": part.tool.wire, "status": "completed"}
    if part.tool.namespace:
        call["namespace"] = part.tool.namespace
    if part.tool.freeform:
        return {"type": "custom_tool_call", "id": f"ctc_{mark}", **call, "input": part.input}
    return {"type": "function_call", "id": f"fc_{mark}", **call, "arguments": json.dumps(part.input)}


def _empty(part: Text | Use) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"status": "in_progress", "content": []}
    if part.tool.finds:
        return {"status": "in_progress", "arguments": {}}
    return {"status": "in_progress", "input" if part.tool.freeform else "arguments": ""}


def _text_deltas(text: str, item_id: str, index: int) -> Iterator[dict[str, Any]]:
    place = {"item_id": item_id, "output_index": index, "content_index": 0}
    for start in range(0, len(text), PIECE):
        yield {"type": "response.output_text.delta", **place, "delta": text[start : start + PIECE]}
    yield {"type": "response.output_text.done", **place, "text": text}
