"""Streams of a run folder, whole or in parts, in bounded memory. Pure: whoever calls brings the bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lambdactl.report.html.values import Excerpt, excerpt

LINE_MAX = 8 << 20  # bytes; a longer line is not looked at
_PART = re.compile(r"/\d{6}\.(jsonl|log)$")
_LEG = re.compile(r"legs/(\d{1,9})/")


def parts(names: Iterable[str], stream: str) -> list[str]:
    """The files that make up a stream (`events`, `stderr`, ...), in order, over all legs of the run.

    One has either one file or several, numbered; here both are the same.
    """
    found = [name for name in names if _LEG.sub("", name, count=1).startswith(f"{stream}/")]
    return sorted((name for name in found if _PART.search(name)), key=_order)


def grouped(names: Iterable[str], folder: str) -> dict[str, list[str]]:
    """The streams below a folder (`transcript`, `mcp`), each with its files, in order."""
    streams: dict[str, list[str]] = {}
    for name in sorted(names, key=_order):
        inside = _LEG.sub("", name, count=1)
        if inside.startswith(f"{folder}/"):
            stream = _PART.sub("", inside).removeprefix(f"{folder}/")
            streams.setdefault(stream, []).append(name)
    return streams


def lines(chunks: Iterable[bytes], limit: int = LINE_MAX) -> Iterator[bytes | None]:
    """Lines without their ends; None for one that is longer than `limit`."""
    rest, dropping = b"", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield None if dropping or len(line) > limit else line
            dropping = False
        if len(rest) > limit:
            rest, dropping = b"", True
    if rest or dropping:
        yield None if dropping else rest


def ends(chunks: Iterable[bytes], head: int, tail: int) -> Excerpt:
    """The first `head` and the last `tail` bytes, as text."""
    first, last, passed = b"", b"", 0
    for chunk in chunks:
        room = head - len(first)
        first += chunk[:room]
        last += chunk[room:]
        if len(last) > tail + (4 << 20):
            passed += len(last) - tail
            last = last[-tail:]
    passed += max(0, len(last) - tail)
    text, end = first.decode("utf-8", "replace"), last[-tail:].decode("utf-8", "replace")
    if not passed:
        return excerpt((first + last).decode("utf-8", "replace"), head + tail)
    return Excerpt(excerpt(text, head).text, passed, excerpt(end, tail).text)


def last_parts(names: list[str], sizes: Mapping[str, int], enough: int) -> tuple[list[str], int]:
    """As many of a stream's last files as hold `enough` bytes, and how many bytes lie before them."""
    kept: list[str] = []
    held = 0
    for name in reversed(names):
        if held >= enough:
            break
        kept.insert(0, name)
        held += sizes[name]
    return kept, sum(sizes[name] for name in names) - held


def _order(name: str) -> tuple[Any, ...]:
    """Legs by number, before what the last one left in the run folder itself."""
    leg = _LEG.match(name)
    return (0, int(leg[1]), name) if leg else (1, 0, name)
