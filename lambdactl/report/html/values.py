"""What a run's page is made of. Values, and lenient ways to read documents that are not ours; no drawing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from lambdactl.runs import Run

Kind = Literal["turn", "said", "thought", "call", "note"]

TEXT = 4_000  # characters of one text in the timeline
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # of a terminal, which a page has not


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A run and its folder, wherever that lies. `definition` is the document that ran, None when it is
    not to be had, for which `no_definition` says why; `link` leads to a file, "" where nothing may."""

    run: Run
    files: Sequence[tuple[str, int]]
    chunks: Callable[[str], Iterator[bytes]]
    definition: Mapping[str, Any] | None = None
    no_definition: str = ""
    link: Callable[[str], str] = lambda name: ""
    now: datetime


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text, how many characters more there were, and the end."""

    text: str = ""
    left_out: int = 0
    end: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.end)


@dataclass(slots=True, kw_only=True)
class Row:
    """One thing that happened. `at` and `took` are seconds, of the run and of itself; None: not known.

    A call is `open` until its answer comes; `depth` tells what another agent's agent did.
    """

    kind: Kind
    at: float | None = None
    took: float | None = None
    title: str = ""
    hint: str = ""
    text: Excerpt = Excerpt()
    answer: Excerpt = Excerpt()
    failed: bool = False
    open: bool = False
    depth: int = 0


@dataclass(slots=True)
class Tally:
    """How often a tool was called."""

    calls: int = 0
    failed: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An MCP server."""

    name: str
    status: str = ""
    start: str = ""
    tally: Tally = field(default_factory=Tally)
    log: Excerpt = Excerpt()


# -- documents of others ------------------------------------------------------------------------------


def excerpt(value: Any, limit: int = TEXT, end: int = 0) -> Excerpt:
    """At most `limit` characters from the beginning of a text, and `end` from where it ends."""
    text = _COLOURS.sub("", string(value))
    left = len(text) - limit - end
    return Excerpt(text) if left <= 0 else Excerpt(text[:limit], left, text[len(text) - end :])


def string(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except (TypeError, ValueError, RecursionError):
        return "(not shown: it is nested too deeply)"


def short(value: Any, limit: int = 200) -> str:
    """A text for a table: what is longer is no name."""
    text = string(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; of anything else none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: Any) -> float:
    """A finite number that is not negative; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if 0 <= value < 1e15 else 0  # also false for NaN


def moment(value: Any) -> datetime | None:
    """A time in ISO 8601 with its zone, or in milliseconds since 1970; None for anything else."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo else None
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
