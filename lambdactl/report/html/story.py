"""What an agent did, gathered line by line in bounded memory. Knows no agent type; draws nothing."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lambdactl.report.html.usage import Point, Usage
from lambdactl.report.html.values import TEXT, Excerpt, Row, Tally, excerpt, short

FIRST, LAST = 1_000, 1_000  # rows kept from the beginning and the end
AWAITED = 1_000  # calls that may lack their answer at a time
TOOLS = 200
POINTS = 1_000
STRAY = timedelta(hours=1)  # a time so far outside the run is not the run's


@dataclass(slots=True)
class Clock:
    """Turns times into seconds since the run's start; what cannot be of this run is not known."""

    start: datetime | None
    end: datetime | None

    def seconds(self, when: datetime | None) -> float | None:
        if when is None:
            return None
        if self.start is None:
            self.start = when
        if when < self.start - STRAY or (self.end and when > self.end + STRAY):
            return None
        return max(0.0, (when - self.start).total_seconds())


@dataclass(slots=True)
class Story:
    """`unknown` events were passed over, `broken` lines were no JSON, `too_long` ones not looked at."""

    clock: Clock
    first: list[Row] = field(default_factory=list)
    last: deque[Row] = field(default_factory=lambda: deque(maxlen=LAST))
    left_out: int = 0
    unknown: int = 0
    broken: int = 0
    too_long: int = 0
    tools: dict[str, Tally] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)  # as the CLI says: name -> status
    points: list[Point] = field(default_factory=list)
    ended_cost: float | None = None  # as the CLI says
    _awaited: dict[str, Row] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        return [*self.first, *self.last]

    def add(self, row: Row) -> None:
        if len(self.first) < FIRST:
            self.first.append(row)
            return
        self.left_out += len(self.last) == LAST
        self.last.append(row)

    def turn(self, number: int, usage: Usage, at: float | None) -> None:
        """The model's nth answer, and what it took."""
        words = f"{usage.sent:,.0f} tokens in, {usage.output:,.0f} out"
        self.add(Row(kind="turn", title=f"Turn {number}", hint=words, at=at))

    def called(self, key: str, tool: str, arguments: Any, at: float | None, depth: int = 0) -> None:
        hint, text = _arguments(arguments)
        row = Row(kind="call", title=short(tool), hint=hint, text=text, at=at, open=True, depth=depth)
        self.add(row)
        self._awaited[key] = row
        if len(self._awaited) > AWAITED:
            del self._awaited[next(iter(self._awaited))]
        if (tally := self._tally(row.title)) is not None:
            tally.calls += 1

    def awaits(self, key: str) -> bool:
        return key in self._awaited

    def returned(self, key: str, answer: Any, failed: bool, at: float | None) -> None:
        if (row := self._awaited.pop(key, None)) is None:
            return
        row.answer, row.failed, row.open = excerpt(answer, TEXT // 2, TEXT // 2), failed, False
        if at is not None and row.at is not None:
            row.took = max(0.0, at - row.at)
        if (tally := self._tally(row.title)) is not None:
            tally.failed += failed
            tally.seconds += row.took or 0.0

    def used(self, at: float | None, usage: Usage) -> None:
        """`usage` is of the whole run so far; what a later leg tells again is passed over. Of many points
        every other is dropped, again and again."""
        last = self.points[-1] if self.points else None
        if at is None or (last and (at < last.at or usage == last.usage)):
            return
        self.points.append(Point(at, usage))
        if len(self.points) > POINTS:
            del self.points[1:-1:2]

    def _tally(self, tool: str) -> Tally | None:
        if tool not in self.tools and len(self.tools) >= TOOLS:
            return None
        return self.tools.setdefault(tool, Tally())


def each(lines: Iterable[bytes | None], story: Story) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream's lines; what is none is counted, unless it was meant as plain text."""
    for line in lines:
        if line is None:
            story.too_long += 1
        elif line.startswith(b"{"):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):  # also bytes that are no UTF-8
                event = None
            if isinstance(event, dict):
                yield event
            else:
                story.broken += 1


def heard(event: dict[str, Any], take: Callable[[dict[str, Any]], bool], story: Story) -> None:
    """Let `take` have an event; one it does not know, or that is not what its type says, is counted."""
    try:
        known = take(event)
    except (AttributeError, TypeError, ValueError, KeyError, RecursionError):
        known = False
    story.unknown += not known


def _arguments(value: Any) -> tuple[str, Excerpt]:
    """A few words on what a tool was called with, and all of it."""
    if not isinstance(value, dict):
        return _hint(value if isinstance(value, str) else ""), excerpt(value)
    command, only = value.get("command"), next(iter(value.values()), "")
    if len(value) <= 1 and isinstance(only, str):
        return _hint(only), excerpt(only)
    if isinstance(command, str):
        return _hint(command), excerpt(value)
    plain = (str(each)[:200] for each in value.values() if isinstance(each, str | int | float))
    return _hint(" · ".join(plain)), excerpt(value)


def _hint(text: str) -> str:
    flat = " ".join(text[:1_000].split())
    return flat if len(flat) <= 160 else f"{flat[:159]}…"
