"""Codex's stream of events read as a story. Pure; written for 0.169.0.

Its events have no times, and no tokens before the end: what its rollout knows comes from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lambdactl.report.html.rollout import WORDS, Known, Rollout
from lambdactl.report.html.story import Story, each, heard
from lambdactl.report.html.values import Row, excerpt, mapping, objects, string

SHELL = "shell"  # the server that is Codex's shell in our images
_SILENT = {"thread.started", "turn.started", "turn.completed", "item.updated"}


class Reader:
    def __init__(self, story: Story, known: Rollout) -> None:
        self._story = story
        self._known = known
        self._begun: dict[str, Known] = {}
        self._turn = 0

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
        if item.get("type") not in _CALLS:
            return item.get("type") in (*WORDS, "todo_list", "error")
        self._called(item)
        return True

    def _completed(self, item: Mapping[str, Any]) -> bool:
        kind = string(item.get("type"))
        if kind in _CALLS:
            self._returned(item)
        elif kind in WORDS:
            known = self._next(item)
            at = self._story.clock.seconds(known.ended)
            text = excerpt(string(item.get("text")).strip(), 20_000)
            self._story.add(Row(kind="said" if kind == "agent_message" else "thought", text=text, at=at))
        elif kind == "todo_list":
            self._story.add(Row(kind="note", title="plan", text=excerpt(_todo(item))))
        elif kind == "error":
            self._story.add(Row(kind="note", title="Codex reports", text=excerpt(item.get("message"), 2_000)))
        else:
            return False
        return True

    def _called(self, item: Mapping[str, Any]) -> None:
        key, known = string(item.get("id")), self._next(item)
        tool, arguments = _CALLS[string(item.get("type"))](item)
        self._story.called(key, tool, arguments, self._story.clock.seconds(known.began))
        self._begun[key] = known

    def _returned(self, item: Mapping[str, Any]) -> None:
        key = string(item.get("id"))
        if not self._story.awaits(key):  # a kind that is told of once, when it is over
            self._called(item)
        ended = self._begun.pop(key, Known()).ended
        failed = item.get("status") == "failed"
        self._story.returned(key, _answer(item), failed, self._story.clock.seconds(ended))

    def _next(self, item: Mapping[str, Any]) -> Known:
        """What the rollout knows of the item; tells of the answers up to the one it is of."""
        known = self._known.next(item)
        while self._turn < min(known.answer, len(self._known.answers)):
            when, usage = self._known.answers[self._turn]
            self._turn += 1
            self._story.turn(self._turn, usage, self._story.clock.seconds(when))
        return known


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
