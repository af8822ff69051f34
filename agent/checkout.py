"""Finds git checkouts in a workspace and reads where their HEAD is. Runs no git, trusts no file it reads."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ_MAX = 16 << 20  # bytes; packed-refs of a large repository
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """`git_dir` has HEAD and the index, `common` objects and refs: in a linked worktree they differ."""

    name: str  # of its folder in the workspace, "" for the workspace itself
    worktree: Path
    git_dir: Path
    common: Path

    def head(self) -> str | None:
        """Its commit; "" when there is none yet, None when it cannot be told."""
        text = (read(self.git_dir / "HEAD") or b"").decode("utf-8", "surrogateescape").strip()
        if _COMMIT.fullmatch(text):
            return text
        ref = text.removeprefix("ref:").strip()
        if not text.startswith("ref:") or not ref.startswith("refs/heads/") or ref.endswith("/.invalid"):
            return None  # the last: refs in a format of their own
        if ".." in ref.split("/"):
            return None
        loose = (read(self.common / ref) or b"").decode("utf-8", "surrogateescape").strip()
        return loose if _COMMIT.fullmatch(loose) else self._packed(ref)

    def _packed(self, ref: str) -> str:
        line = rb"^([0-9a-f]{40}|[0-9a-f]{64}) " + re.escape(os.fsencode(ref)) + rb"$"
        found = re.search(line, read(self.common / "packed-refs") or b"", re.MULTILINE)
        return found[1].decode() if found else ""


def find(workspace: Path) -> Iterator[Checkout]:
    """The workspace itself and the folders in it, in order of their names."""
    with os.scandir(workspace) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in ("", *names):
        if name != ".git" and (git_dir := _git_dir(workspace / name)):
            common = (read(git_dir / "commondir") or b"").decode("utf-8", "surrogateescape").strip()
            yield Checkout(
                name=name,
                worktree=workspace / name,
                git_dir=git_dir,
                common=git_dir / common if common else git_dir,
            )


def read(file: Path) -> bytes | None:
    """A regular file's content, None for what is none: a pipe is not waited for, a link not followed."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        return opened.read() if stat.S_ISREG(found.st_mode) and found.st_size <= READ_MAX else None


def _git_dir(folder: Path) -> Path | None:
    """Of a submodule or a linked worktree `.git` is a file that says where it is."""
    there = folder / ".git"
    if there.is_dir() and not there.is_symlink():
        return there
    text = (read(there) or b"").decode("utf-8", "surrogateescape").strip()
    if not text.startswith("gitdir:"):
        return None
    try:
        told = folder / text.removeprefix("gitdir:").strip()
        return told if told.is_dir() else None
    except (OSError, ValueError):  # a name too long, or none
        return None
