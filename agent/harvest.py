"""What a run left: (name in the run folder, file). Reads the run's folders, changes nothing.

Whatever lies there was made by the agent and is not to be trusted: only regular files that really
lie below the folder they claim to, in bounded number and size. What is left out is said in a note.
"""

from __future__ import annotations

import itertools
import mimetypes
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

FILE_MAX = 256 << 20  # bytes of one file
TOTAL_MAX = 2 << 30  # bytes of a run
COUNT_MAX = 2_000  # files of a run
MATCHES_MAX = 10_000  # files that one pattern is followed to
NAMED = 5  # files of a kind that a note names

_TEXT = {
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".patch": "text/x-diff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    name: str  # in the run folder, with "/"
    file: Path

    @property
    def content_type(self) -> str:
        suffix = PurePosixPath(self.name).suffix.lower()
        guessed = _TEXT.get(suffix) or mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    file: int = FILE_MAX
    total: int = TOTAL_MAX
    count: int = COUNT_MAX


@dataclass(slots=True)
class Left:
    """Files left out, by reason; `notes` tells of them briefly."""

    by_reason: dict[str, list[str]] = field(default_factory=dict)

    def out(self, name: str, reason: str) -> None:
        self.by_reason.setdefault(reason, []).append(name)

    def notes(self) -> tuple[str, ...]:
        return tuple(_note(reason, names) for reason, names in self.by_reason.items())


def below(folder: Path, prefix: str, patterns: Iterable[str] = ("**/*",), *, left: Left) -> Iterator[Item]:
    """The files below `folder` that match, named `prefix` and their path; of a folder that matches, all."""
    seen: set[Path] = set()
    real = folder.resolve()
    for pattern in patterns:
        if not _stays_inside(pattern):
            left.out(pattern, "patterns that lead out of the workspace")
            continue
        matches = list(itertools.islice(_matches(folder, pattern, left), MATCHES_MAX))
        if not matches and pattern != "**/*":
            left.out(pattern, "patterns that matched no file")
        for path in sorted(set(matches) - seen):
            seen.add(path)
            relative = path.relative_to(folder).as_posix()
            if reason := _refused(path, real):
                left.out(relative, reason)
            else:
                yield Item(name=f"{prefix}{relative}", file=path)


def bounded(items: Iterable[Item], bounds: Bounds, left: Left) -> Iterator[Item]:
    """As many of `items` as fit, in their order: put first what matters most."""
    total = count = 0
    for item in items:
        size = item.file.stat().st_size
        if size > bounds.file:
            left.out(item.name, f"files over {bounds.file:,} bytes")
        elif total + size > bounds.total:
            left.out(item.name, f"files beyond {bounds.total:,} bytes in all")
        elif count >= bounds.count:
            left.out(item.name, f"files beyond {bounds.count:,} in number")
        else:
            total, count = total + size, count + 1
            yield item


def file_name(text: str) -> str:
    """`text` as a harmless part of a path."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip(".") or "-"


def _matches(folder: Path, pattern: str, left: Left) -> Iterator[Path]:
    try:
        for match in folder.glob(pattern):
            yield from _files(match)
    except (OSError, RecursionError):  # a path too long for the system, a tree too deep for Python
        left.out(pattern, "patterns that lead too deep, from there on")


def _files(match: Path) -> Iterator[Path]:
    if match.is_dir() and not match.is_symlink():
        for parent, _, names in os.walk(match):  # does not follow links
            yield from (Path(parent) / name for name in names)
    elif match.is_symlink() or match.exists():
        yield match


def _stays_inside(pattern: str) -> bool:
    parts = PurePosixPath(pattern).parts
    return bool(parts) and not pattern.startswith("/") and ".." not in parts


def _refused(path: Path, root: Path) -> str:
    """Why a file is not taken, "" when it is."""
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
    except (OSError, RuntimeError):  # dangling; a loop of links is a RuntimeError before Python 3.13
        return "links that lead nowhere"
    if not real.is_relative_to(root):
        return "links that lead out of the workspace"
    if stat.S_ISDIR(mode):
        return "links to folders"
    if not stat.S_ISREG(mode):
        return "what is no regular file"
    return "" if os.access(real, os.R_OK) else "files that cannot be read"


def _note(reason: str, names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return f"left out, {reason}: {shown}{f' and {len(names) - NAMED} more' if len(names) > NAMED else ''}"
