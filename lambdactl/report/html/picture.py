"""A run over time, as shapes for SVG: numbers only, on a canvas of WIDTH x HEIGHT. Pure; draws nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lambdactl.report.html.usage import Point, Usage
from lambdactl.report.html.values import Row

WIDTH, HEIGHT = 1000, 100
LANES = 4  # calls beside one another
NARROWEST = 2  # of a call's bar
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # seconds between marks

# What a token costs, in tokens of plain input: the same for all of Anthropic's models at the time of writing.
OUTPUT, CACHE_READ, CACHE_WRITE = 5.0, 0.1, 1.25


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    lane: int
    failed: bool
    words: str


@dataclass(frozen=True, slots=True)
class Curve:
    """`line` is a path of steps, `area` what lies under it; `highest` is the value at its end."""

    name: str
    line: str
    area: str
    highest: float
    unit: str = "tokens"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """`span` seconds from the left to the right."""

    span: float
    bars: tuple[Bar, ...]
    lanes: int
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...]


def draw(rows: Sequence[Row], points: Sequence[Point], seconds: float, cost: float | None) -> Picture | None:
    """None where nothing has a time. `seconds` is how long the run took; `cost` its total where the way
    there can be reckoned from its tokens."""
    timed = [row for row in rows if row.kind == "call" and row.at is not None]
    latest = [row.at + (row.took or 0) for row in timed if row.at is not None] + [each.at for each in points]
    span = max([seconds, *latest])
    if not (timed or points) or span <= 0:
        return None
    bars = _bars(timed, span)
    return Picture(
        span=span,
        bars=bars,
        lanes=1 + max((bar.lane for bar in bars), default=0),
        curves=tuple(_curves(points, span, cost)),
        marks=_marks(span),
    )


def length(seconds: float) -> str:
    """A duration for people."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def time_of(seconds: float) -> str:
    """A time of the run, as short as a column of them wants it."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _bars(rows: Sequence[Row], span: float) -> tuple[Bar, ...]:
    free = [0.0] * LANES  # where each lane is free again
    bars = []
    for row in sorted(rows, key=lambda row: row.at or 0.0):
        x = (row.at or 0.0) / span * WIDTH
        width = max(NARROWEST, (row.took or 0.0) / span * WIDTH)
        lane = next((lane for lane, until in enumerate(free) if until <= x), LANES - 1)
        free[lane] = x + (row.took or 0.0) / span * WIDTH
        took = "not over" if row.open else "duration unknown" if row.took is None else length(row.took)
        words = f"{row.title} {row.hint}".strip()
        x = min(x, WIDTH - NARROWEST)
        bars.append(Bar(round(x, 1), round(width, 1), lane, row.failed, f"{words}: {took}"))
    return tuple(bars)


def _curves(points: Sequence[Point], span: float, cost: float | None) -> list[Curve]:
    if not points:
        return []
    curves = [
        _curve("Tokens sent", points, span, lambda usage: usage.sent),
        _curve("Tokens received", points, span, lambda usage: usage.output),
    ]
    whole = _weight(points[-1].usage)
    if cost and whole:
        note = "the total is known; the way there is reckoned from the tokens of each turn"
        line = _curve("Cost", points, span, lambda usage: cost * _weight(usage) / whole)
        curves.append(Curve(line.name, line.line, line.area, cost, "USD", note))
    return curves


def _weight(usage: Usage) -> float:
    return (
        usage.input + CACHE_READ * usage.cache_read + CACHE_WRITE * usage.cache_write + OUTPUT * usage.output
    )


def _curve(name: str, points: Sequence[Point], span: float, of: Callable[[Usage], float]) -> Curve:
    values = [(point.at / span * WIDTH, of(point.usage)) for point in points]
    top = max(value for _, value in values) or 1
    steps = [f"M0,{HEIGHT}"]
    for x, value in values:
        steps.append(f"H{x:.1f}V{HEIGHT - value / top * HEIGHT:.1f}")
    line = "".join([*steps, f"H{WIDTH}"])
    return Curve(name, line, f"{line}V{HEIGHT}Z", values[-1][1])


def _marks(span: float) -> tuple[Mark, ...]:
    step = next((step for step in STEPS if span / step <= 6), 0) or math.ceil(span / 6 / 86400) * 86400
    count = int(span / step)
    if count == 0:
        return (Mark(0, "0 s"), Mark(WIDTH, length(span)))
    marks = (n * step for n in range(count + 1))
    return tuple(Mark(round(at / span * WIDTH, 1), f"{at} s" if at < 60 else time_of(at)) for at in marks)
