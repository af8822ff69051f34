"""The rows of docs/fidelity.md: rows.yaml, read strictly. Knows no test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

FILE = Path(__file__).with_name("rows.yaml")
Here = Literal["exact", "nearly", "no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One behaviour. `sources` are words for a reader; `emulator` is "" where it is not compared."""

    id: str
    lambda_: str
    sources: tuple[str, ...]
    here: Here
    how: str = ""
    emulator: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    rows: tuple[Row, ...]


def read(text: str) -> tuple[Group, ...]:
    """ValueError for what is no table: a row twice, an unknown source, a difference without words."""
    document = yaml.safe_load(text)
    sources = document["sources"]
    groups = tuple(
        Group(each["title"], tuple(_row(row, sources) for row in each["rows"])) for each in document["groups"]
    )
    ids = [row.id for group in groups for row in group.rows]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise ValueError(f"twice in {FILE.name}: {', '.join(twice)}")
    used = {word for group in groups for row in group.rows for word in row.sources}
    if unused := sorted(name for name, words in sources.items() if words not in used):
        raise ValueError(f"sources of no row: {', '.join(unused)}")
    return groups


def groups() -> tuple[Group, ...]:
    return read(FILE.read_text(encoding="utf-8"))


def by_id() -> dict[str, Row]:
    return {row.id: row for group in groups() for row in group.rows}


def _row(found: dict[str, Any], sources: dict[str, str]) -> Row:
    made = dict(found)
    if unknown := [name for name in made["source"] if name not in sources]:
        raise ValueError(f"row {made['id']}: no source {', '.join(unknown)}")
    row = Row(lambda_=made.pop("lambda"), sources=tuple(sources[name] for name in made.pop("source")), **made)
    if row.here not in get_args(Here):
        raise ValueError(f"row {row.id}: `here` is {row.here!r}, not one of {', '.join(get_args(Here))}")
    if (row.here == "exact") is bool(row.how):
        raise ValueError(f"row {row.id}: `how` belongs to what is not exact, and to nothing else")
    return row
