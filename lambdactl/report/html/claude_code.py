"""Claude Code's stream of events, and its transcripts, read as a story. Pure; written for 2.1.240.

Its events have times, from 2.1.240 on; where one has none, the transcript's line with the same uuid has.
How many tokens an answer took is whole in the transcript alone: an event is sent while it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lambdactl.report.html.story import Clock, Story, each, heard
from lambdactl.report.html.usage import Usage, anthropic_usage
from lambdactl.report.html.values import Row, excerpt, mapping, moment, number, objects, short, string

KEPT = 50_000  # times and usages kept of the transcripts
# What has nothing to show, or says again what the result or another event says.
_SILENT = {"result", "rate_limit_event", "stream_event", "control_request", "control_response", "keep_alive"}


@dataclass(slots=True)
class Transcript:
    """What only the transcripts know: times by a line's uuid, tokens by an answer's id."""

    times: dict[str, datetime] = field(default_factory=dict)
    usages: dict[str, Usage] = field(default_factory=dict)


def transcript(streams: Iterable[Iterable[bytes | None]]) -> Transcript:
    found, aside = Transcript(), Story(Clock(None, None))  # what is broken there is not the events'
    for lines in streams:
        for event in each(lines, aside):
            when, uuid = moment(event.get("timestamp")), event.get("uuid")
            if when and isinstance(uuid, str) and len(found.times) < KEPT:
                found.times[uuid] = when
            message = mapping(event.get("message"))
            answer = message.get("id")
            if message.get("usage") and isinstance(answer, str) and len(found.usages) < KEPT:
                found.usages[answer] = anthropic_usage(message["usage"])
    return found


class Reader:
    def __init__(self, story: Story, known: Transcript) -> None:
        self._story = story
        self._known = known
        self._used = Usage()
        self._turns = 0
        self._answer = ""
        self._turn: Row | None = None

    def read(self, lines: Iterable[bytes | None]) -> None:
        for event in each(lines, self._story):
            heard(event, self._take, self._story)

    def _take(self, event: dict[str, Any]) -> bool:
        at, depth = self._at(event), int(bool(event.get("parent_tool_use_id")))
        match event.get("type"), event.get("subtype"):
            case "assistant", _:
                message = mapping(event.get("message"))
                self._answered(message, at, depth)
                for block in objects(message.get("content")):
                    self._said(block, at, depth)
            case "user", _:
                for block in objects(mapping(event.get("message")).get("content")):
                    if block.get("type") == "tool_result":
                        failed = bool(block.get("is_error"))
                        self._story.returned(
                            string(block.get("tool_use_id")), _text(block.get("content")), failed, at
                        )
            case "system", "init":
                for server in objects(event.get("mcp_servers"))[:100]:
                    self._story.servers[short(server.get("name"))] = short(server.get("status"))
            case "system", "api_retry":
                title = "the model's API failed and is asked again"
                self._story.add(Row(kind="note", title=title, at=at, text=excerpt(_retry(event), 500)))
            case "system", _:
                pass
            case kind, _ if kind not in _SILENT:
                return False
            case "result", _:
                cost = event.get("total_cost_usd")
                if isinstance(cost, int | float):
                    self._story.ended_cost = number(cost)
        return True

    def _answered(self, message: Mapping[str, Any], at: float | None, depth: int) -> None:
        """An answer comes as several events of one id: its tokens count once."""
        answer = message.get("id")
        if not isinstance(answer, str) or answer == self._answer:
            return
        self._answer = answer
        usage = self._known.usages.get(answer) or anthropic_usage(message.get("usage"))
        self._used += usage
        self._story.used(at, self._used)
        if depth:
            return
        self._turns += 1
        self._story.turn(self._turns, usage, at)

    def _said(self, block: Mapping[str, Any], at: float | None, depth: int) -> None:
        match block.get("type"):
            case "text":
                if text := string(block.get("text")).strip():
                    self._story.add(Row(kind="said", text=excerpt(text, 20_000), at=at, depth=depth))
            case "thinking":
                if text := string(block.get("thinking")).strip():
                    self._story.add(Row(kind="thought", text=excerpt(text), at=at, depth=depth))
            case "tool_use" | "server_tool_use":
                name, key = string(block.get("name")), string(block.get("id"))
                self._story.called(key, name, block.get("input"), at, depth)

    def _at(self, event: Mapping[str, Any]) -> float | None:
        when = moment(event.get("timestamp")) or self._known.times.get(string(event.get("uuid")))
        return self._story.clock.seconds(when)


def _text(content: Any) -> str:
    if not isinstance(content, list):
        return string(content)
    return "\n".join(_block(block) for block in objects(content))


def _block(block: Mapping[str, Any]) -> str:
    return string(block["text"]) if "text" in block else f"[{string(block.get('type'))}]"


def _retry(event: Mapping[str, Any]) -> str:
    names: Iterator[str] = iter(("error", "error_status", "attempt", "max_retries", "retry_delay_ms"))
    return ", ".join(f"{name} {string(event[name])}" for name in names if event.get(name) is not None)
