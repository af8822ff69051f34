"""A patch as git writes it, cut into files and lines that know what they are. Pure, and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

LINES = 4_000  # shown, of all files
FILES = 300
LINE = 1_000  # characters of one line

Mark = Literal["add", "del", "hunk", "same"]
_INSIDE = (b" ", b"+", b"-", b"\\", b"")  # how a line of a hunk begins; an empty one has lost its blank
_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


@dataclass(slots=True)
class Changed:
    """One file of a patch. `what` is new, deleted, renamed, binary; "" for a plain change."""

    name: str
    what: str = ""
    added: int = 0
    removed: int = 0
    lines: list[tuple[Mark, str]] = field(default_factory=list)
    left_out: int = 0


@dataclass(slots=True)
class Patch:
    files: list[Changed] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    more_files: int = 0


def read(lines: Iterable[bytes | None]) -> Patch:
    """Also a patch that was cut off; what is no patch at all has no files."""
    patch, room = Patch(), LINES
    for changed in _files(lines):
        patch.added += changed.added
        patch.removed += changed.removed
        if len(patch.files) == FILES:
            patch.more_files += 1
            continue
        if len(changed.lines) > room:
            changed.left_out += len(changed.lines) - room
            del changed.lines[room:]
        room -= len(changed.lines)
        patch.files.append(changed)
    return patch


def _files(lines: Iterable[bytes | None]) -> Iterator[Changed]:
    """Hunks say how many lines they have, so that a line of content is never taken for a header."""
    changed: Changed | None = None
    old = new = 0
    for line in lines:
        text = b" (a line too long to show)" if line is None else line
        if changed and (old > 0 or new > 0) and text[:1] in _INSIDE:
            mark = _mark(text)
            if mark != "hunk":
                old -= mark in ("del", "same")
                new -= mark in ("add", "same")
            _keep(changed, mark, text)
        elif text.startswith(b"diff --git "):
            if changed:
                yield changed
            old = new = 0
            changed = Changed(name=_text(text[11:]).partition(" b/")[2] or _text(text[11:]))
        elif changed and (hunk := _HUNK.match(text)):
            old, new = (int(count[:9]) if count else 1 for count in (hunk[1], hunk[2]))
            _keep(changed, "hunk", text)
        elif changed:
            _head(changed, text)
    if changed:
        yield changed


def _mark(line: bytes) -> Mark:
    match line[:1]:
        case b"+":
            return "add"
        case b"-":
            return "del"
        case b"\\":  # "\ No newline at end of file" is no line of the file
            return "hunk"
    return "same"


def _keep(changed: Changed, mark: Mark, line: bytes) -> None:
    changed.added += mark == "add"
    changed.removed += mark == "del"
    if len(changed.lines) < LINES:
        changed.lines.append((mark, _text(line)))
    else:
        changed.left_out += 1


def _head(changed: Changed, line: bytes) -> None:
    for start, what in ((b"new file", "new"), (b"deleted file", "deleted"), (b"rename from", "renamed")):
        if line.startswith(start):
            changed.what = what
    if line.startswith((b"Binary files", b"GIT binary patch")):
        changed.what = f"{changed.what}, binary".removeprefix(", ")
    elif line.startswith(b"+++ ") and (name := _text(line[4:]).removeprefix("b/")) != "/dev/null":
        changed.name = name.rstrip("\t")


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if len(text) <= LINE else f"{text[:LINE]}… ({len(text) - LINE:,} more characters)"
