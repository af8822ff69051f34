"""Looks through a folder that an agent filled, and matches paths with globs. Reads names, opens no file.

The tree may be endlessly wide and deep, and change while we look: what is looked at is bounded, and no
link is followed.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

ENTRIES_MAX = 100_000  # files and folders that are looked at
DEPTH_MAX = 100  # folders within each other; a path is at most 4,096 bytes long

# Told of a path, and why nothing is seen of it or from there on.
Unseen = Callable[[str, str], None]


def walk(root: Path, unseen: Unseen, most: int = ENTRIES_MAX) -> Iterator[str]:
    """The path below `root` of everything that is no folder, folder by folder, in order of their names."""
    left, folders = most, [""]
    while folders:
        folder = folders.pop()
        if folder.count("/") > DEPTH_MAX:
            unseen(folder, "folders that lead too deep")
            continue
        try:
            with os.scandir(root / folder) as found:
                entries = sorted(itertools.islice(found, left + 1), key=lambda entry: entry.name)
            below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            unseen(folder or ".", "folders that cannot be read")
            continue
        inner = set(below)
        yield from (f"{folder}{entry.name}" for entry in entries[:left] if entry.name not in inner)
        folders += [f"{folder}{name}/" for name in reversed(below)]
        left -= len(entries)
        if left < 0:
            unseen(folder or ".", f"what lies beyond {most:,} files and folders, from there on")
            return


def pattern(glob: str) -> re.Pattern[str]:
    """Matches the paths that `glob` names, and all below a folder that it names.

    `*` and `?` stay within a name, and match a leading dot too; `**` is any number of folders; `[a-z]`
    and `[!a-z]` one character. Case matters.
    """
    parts = PurePosixPath(glob).parts
    text = "".join("(?:[^/]+/)*" if part == "**" else f"{_name(part)}/" for part in parts)
    return re.compile(f"{text}.*", re.DOTALL)


def matches(glob: re.Pattern[str], path: str) -> bool:
    """A path ends with "/" here, so that a file is matched like the folder it could be."""
    return glob.fullmatch(f"{path}/") is not None


def _name(part: str) -> str:
    text, rest = "", part
    while rest:
        taken, meant = _one(rest)
        text, rest = text + meant, rest[taken:]
    return text


def _one(rest: str) -> tuple[int, str]:
    """How many characters of a glob are its next part, and that as a regular expression."""
    if found := re.match(r"\[(!?)(\]?[^\]]+|\])\]", rest):
        listed = re.sub(r"([\\\[&~|^])", r"\\\1", found[2])
        meant = f"(?!/)[{'^' if found[1] else ''}{listed}]"
        try:
            re.compile(meant)
            return found.end(), meant
        except re.error:
            pass  # a range that runs backwards: then it is a bracket and no more
    return 1, "[^/]*" if rest[0] == "*" else "[^/]" if rest[0] == "?" else re.escape(rest[0])
