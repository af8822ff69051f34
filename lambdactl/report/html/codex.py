"""Codex's stream of events, and its rollouts, read as a story. Pure; written for 0.169.0.

Its events have no times. The rollout has: each item that ended stands there with the moments of its
beginning and end, in the same order, under another id. So the nth item of a kind (same tool, same
arguments, same words) is the nth there. The rollout alone has tokens before the end.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lambdactl.report.html.story import Story, each, heard, openai_usage
from lambdactl.report.html.values import Row, excerpt, mapping, moment, objects, string

KEPT = 50_000  # items of the rollouts whose times are kept
SHELL = "shell"  # the server that is Codex's shell in our images
_SILENT = {"thread.started", "turn.started", "turn.completed", "item.updated"}


@dataclass(slots=True)
class Rollout:
    """(beginning, end) of items by what they are, in order."""

    spans: dict[str, deque[tuple[datetime | None, datetime | None]]] = field(default_factory=dict)
    count: int = 0

    def keep(self, item: Mapping[str, Any], began: datetime | None, ended: datetime | None) -> None:
        if self.count < KEPT:
            self.count += 1
            self.spans.setdefault(_name(item), deque()).append((began, ended))

    def next(self, item: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
        waiting = self.spans.get(_name(item))
        return waiting.popleft() if waiting else (None, None)


def rollout(streams: Iterable[Iterable[bytes | None]], story: Story) -> Rollout:
    """The first rollout is the run's own thread; others are of agents that it started."""
    found, aside = Rollout(), Story(story.clock)
    for index, lines in enumerate(streams):
        for event in each(lines, aside):
            payload = mapping(event.get("payload"))
            match payload.get("type"):
                case "item_completed":
                    began, ended = (
                        moment(payload.get("started_at_ms")),
                        moment(payload.get("completed_at_ms")),
                    )
                    found.keep(mapping(payload.get("item")), began, ended)
                case "token_count" if index == 0:
                    usage = openai_usage(mapping(payload.get("info")).get("total_token_usage"))
                    story.used(story.clock.seconds(moment(event.get("timestamp"))), usage)
    return found


class Reader:
    def __init__(self, story: Story, known: Rollout) -> None:
        self._story = story
        self._known = known

    def read(self, lines: Iterable[bytes | None]) -> None:
        for event in each(lines, self._story):
            heard(event, self._take, self._story)

    def _take(self, event: dict[str, Any]) -> bool:
        item = mapping(event.get("item"))
        match event.get("type"):
            case "item.started":
                return self._started(item)
            case "item.completed":
                return self._completed(item)
            case "turn.failed" | "error":
                message = mapping(event.get("error")).get("message") or event.get("message")
                failed = event.get("type") == "turn.failed"  # most errors are retries
                title = "the turn failed" if failed else "Codex reports"
                self._story.add(Row(kind="note", title=title, text=excerpt(message, 2_000), failed=failed))
            case kind:
                return kind in _SILENT
        return True

    def _started(self, item: Mapping[str, Any]) -> bool:
        if (call := _CALLS.get(string(item.get("type")))) is None:
            return item.get("type") in _WORDS or item.get("type") in ("todo_list", "error")
        tool, arguments = call(item)
        self._story.called(string(item.get("id")), tool, arguments, None)
        return True

    def _completed(self, item: Mapping[str, Any]) -> bool:
        kind = string(item.get("type"))
        if kind in _CALLS:
            self._returned(item)
        elif kind in _WORDS:
            _, at = self._span(item)
            text = excerpt(string(item.get("text")).strip(), 20_000)
            self._story.add(Row(kind="said" if kind == "agent_message" else "thought", text=text, at=at))
        elif kind == "todo_list":
            self._story.add(Row(kind="note", title="plan", text=excerpt(_todo(item))))
        elif kind == "error":
            self._story.add(Row(kind="note", title="Codex reports", text=excerpt(item.get("message"), 2_000)))
        else:
            return False
        return True

    def _returned(self, item: Mapping[str, Any]) -> None:
        began, ended = self._span(item)
        key, failed = string(item.get("id")), item.get("status") == "failed"
        if not self._story.awaits(key):  # a kind that is told of once, when it is over
            tool, arguments = _CALLS[string(item.get("type"))](item)
            self._story.called(key, tool, arguments, None)
        self._story.began(key, began)
        self._story.returned(key, _answer(item), failed, ended)

    def _span(self, item: Mapping[str, Any]) -> tuple[float | None, float | None]:
        began, ended = self._known.next(item)
        return self._story.clock.seconds(began), self._story.clock.seconds(ended)


def _mcp(item: Mapping[str, Any]) -> tuple[str, Any]:
    server, tool = string(item.get("server")), string(item.get("tool"))
    return SHELL if server.rstrip("_") == tool == SHELL else f"mcp__{server}__{tool}", item.get("arguments")


def _patch(item: Mapping[str, Any]) -> tuple[str, Any]:
    changes = objects(item.get("changes"))
    return "apply_patch", "\n".join(
        f"{string(each.get('kind'))} {string(each.get('path'))}" for each in changes
    )


_CALLS: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, Any]]] = {
    "mcp_tool_call": _mcp,
    "command_execution": lambda item: ("command", string(item.get("command"))),
    "web_search": lambda item: ("web_search", string(item.get("query"))),
    "file_change": _patch,
}
_WORDS = ("agent_message", "reasoning")


def _answer(item: Mapping[str, Any]) -> str:
    if "aggregated_output" in item:
        return string(item["aggregated_output"])
    blocks = objects(mapping(item.get("result")).get("content"))
    texts = [string(each["text"]) if "text" in each else f"[{string(each.get('type'))}]" for each in blocks]
    return "\n".join(texts) or string(mapping(item.get("error")).get("message"))


def _todo(item: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{'✓' if each.get('completed') else '·'} {string(each.get('text'))}"
        for each in objects(item.get("items"))
    )


def _name(item: Mapping[str, Any]) -> str:
    """The same for an item in the events (`mcp_tool_call`) and in a rollout (`McpToolCall`)."""
    kind = re.sub(r"(?<=.)(?=[A-Z])", "_", string(item.get("type"))).lower()
    match kind:
        case "mcp_tool_call":
            arguments = json.dumps(item.get("arguments"), sort_keys=True, ensure_ascii=False)
            what: tuple[str, ...] = (string(item.get("server")), string(item.get("tool")), arguments)
        case "agent_message":
            blocks = objects(item.get("content"))
            text = string(item["text"]) if "text" in item else "".join(string(b.get("text")) for b in blocks)
            what = (text.strip(),)
        case _:
            what = ()
    return str(hash((kind, *what)))
