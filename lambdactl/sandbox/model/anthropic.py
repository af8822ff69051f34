"""Anthropic Messages on the wire, as Claude Code 2.1.240 speaks it. Pure, but for `wait`.

Source of the format: https://docs.anthropic.com/en/api/messages and /messages-streaming.
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
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
}
KINDS |= {413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}
REMINDER = re.compile(
    r"\s*<system-reminder>.*?</system-reminder>", re.DOTALL
)  # Claude Code's, not the tool's
RESUMED = "No response requested."  # what Claude Code answers itself in a session that was interrupted
CWD = re.compile(r"[Ww]orking directory: (\S+)")


def read(body: Mapping[str, Any]) -> Conversation:
    tools = tuple(
        Tool(name=tool["name"], wire=tool["name"], schema=tool.get("input_schema", {}))
        for tool in body.get("tools", ())
    )
    cwd = CWD.search(_text(body.get("system", "")))
    return Conversation(entries=tuple(_entries(body)), tools=tools, cwd=cwd.group(1) if cwd else "")


def _entries(body: Mapping[str, Any]) -> Iterator[Entry]:
    names: dict[str, str] = {}  # tool_use id -> name
    for message in body.get("messages", ()):
        blocks = _blocks(message["content"])
        if message["role"] == "assistant":
            if [block.get("text") for block in blocks] == [RESUMED]:
                continue
            calls = {block["id"]: block["name"] for block in blocks if block["type"] == "tool_use"}
            names |= calls
            yield Reply(calls=tuple(calls.values()))
            continue
        for block in blocks:
            if block["type"] == "tool_result":
                yield Result(
                    tool=names.get(block["tool_use_id"], ""),
                    text=REMINDER.sub("", _text(block.get("content", ""))),
                    is_error=bool(block.get("is_error")),
                )
            elif block["type"] == "text" and not block["text"].lstrip().startswith("<system-reminder>"):
                yield Prompt(text=block["text"])


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _text(content: Any) -> str:
    return "\n".join(block["text"] for block in _blocks(content) if block["type"] == "text")


def whole(turn: Turn, head: Head) -> dict[str, Any]:
    parts = [part for part in turn.parts if not isinstance(part, Wait)]
    content = [_block(part, head, number) for number, part in enumerate(parts)]
    return {**_message(head, content), "stop_reason": turn.stop, "usage": _usage(head, head.usage.output)}


def stream(turn: Turn, head: Head, wait: Callable[[float], None]) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message(head, [])}
    index = 0
    for part in turn.parts:
        if isinstance(part, Wait):
            wait(part.seconds)
            continue
        block = _block(part, head, index)
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **_empty(part)}}
        for delta in _deltas(part):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
        index += 1
    delta = {"stop_reason": turn.stop, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": head.usage.output}}
    yield {"type": "message_stop"}


def error(failure: Failure, request_id: str) -> dict[str, Any]:
    kind = failure.kind or KINDS.get(failure.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": failure.message}, "request_id": request_id}


def _message(head: Head, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{head.digest[:24]}",
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(head, 1),
    }


def _usage(head: Head, output: int) -> dict[str, Any]:
    return {
        "input_tokens": head.usage.fresh,
        "cache_creation_input_tokens": head.usage.cache_write,
        "cache_read_input_tokens": head.usage.cache_read,
        "output_tokens": output,
    }


def _block(part: Text | Use, head: Head, index: int) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {
        "type": "tool_use",
        "id": f"toolu_{head.digest[:22]}{index}",
        "name": part.tool.wire,
        "input": part.input,
    }


def _empty(part: Text | Use) -> dict[str, Any]:
    return {"text": ""} if isinstance(part, Text) else {"input": {}}


def _deltas(part: Text | Use) -> Iterator[dict[str, Any]]:
    if isinstance(part, Use):
        yield {"type": "input_json_delta", "partial_json": json.dumps(part.input)}
        return
    for start in range(0, len(part.text), PIECE):
        yield {"type": "text_delta", "text": part.text[start : start + PIECE]}
