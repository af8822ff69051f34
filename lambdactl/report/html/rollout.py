"""What only Codex's rollouts know: times, and what each answer of the model took. Pure; written for 0.169.0.

Each item that ended stands there with the moments of its beginning and end, in the order of the events,
under another id. So the nth item of a kind (same tool, same arguments, same words) is the nth there.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lambdactl.report.html.story import Story, each
from lambdactl.report.html.usage import Usage, openai_usage
from lambdactl.report.html.values import mapping, moment, objects, string

KEPT = 50_000  # items, and answers
WORDS = ("agent_message", "reasoning")


@dataclass(frozen=True, slots=True)
class Known:
    """What a rollout knows of an item: its beginning and end, and which of the model's answers it is of."""

    began: datetime | None = None
    ended: datetime | None = None
    answer: int = 0


@dataclass(slots=True)
class Rollout:
    """Items by what they are, in order; the model's answers, as (time, what it took)."""

    items: dict[str, deque[Known]] = field(default_factory=dict)
    answers: list[tuple[datetime | None, Usage]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def keep(self, payload: Mapping[str, Any]) -> None:
        """Calls end after their answer is told of, words are told of while it is still coming."""
        item = mapping(payload.get("item"))
        times = (moment(payload.get(f"{which}_at_ms")) for which in ("started", "completed"))
        began, ended = times
        known = Known(began, ended, len(self.answers) + (_kind(item) in WORDS))
        if self.is_new(item.get("id")):
            self.items.setdefault(_name(item), deque()).append(known)

    def is_new(self, id_: Any) -> bool:
        """A later leg's rollout begins with all that the earlier ones held."""
        new = isinstance(id_, str) and id_ not in self._seen and len(self._seen) < KEPT
        if new:
            self._seen.add(id_)
        return new

    def next(self, item: Mapping[str, Any]) -> Known:
        waiting = self.items.get(_name(item))
        return waiting.popleft() if waiting else Known()


def rollout(streams: Iterable[Iterable[bytes | None]], story: Story) -> Rollout:
    """The first rollout is the run's own thread; others are of agents that it started."""
    found, aside = Rollout(), Story(story.clock)
    for index, lines in enumerate(streams):
        for event in each(lines, aside):
            payload, when = mapping(event.get("payload")), moment(event.get("timestamp"))
            if payload.get("type") == "item_completed":
                found.keep(payload)
            elif index:
                continue
            elif payload.get("type") == "token_count":
                usage = openai_usage(mapping(payload.get("info")).get("total_token_usage"))
                story.used(story.clock.seconds(when), usage)
            elif event.get("type") == "token_usage_record" and found.is_new(payload.get("response_id")):
                found.answers.append((when, openai_usage(payload.get("usage"))))
    return found


def _kind(item: Mapping[str, Any]) -> str:
    """The same for an item in the events (`mcp_tool_call`) and in a rollout (`McpToolCall`)."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", string(item.get("type"))).lower()


def _name(item: Mapping[str, Any]) -> str:
    """What an item is, as far as events and rollout tell alike."""
    match kind := _kind(item):
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
