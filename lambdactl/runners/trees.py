"""Ends every process of a run that has no container: by parentage, and by a mark in its environment.

The mark is the run's own throwaway folder, which no other process names: a child that left its process
group and whose parent is gone is still found by it. Linux; elsewhere the process group has to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

PROC = Path("/proc")
ROUNDS = 100  # a process may fork between being seen and being killed
PAUSE = 0.02


def kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_marked(mark: str) -> None:
    """Until none is left, or it is clear that they come faster than they go."""
    for _ in range(ROUNDS):
        found = marked(mark)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)


def marked(mark: str) -> list[int]:
    """Living processes with the mark in their environment, or working below it, and their children."""
    if not PROC.is_dir():
        return []
    parents = {int(entry.name): _parent(entry) for entry in PROC.iterdir() if entry.name.isdigit()}
    found = {pid for pid, parent in parents.items() if parent is not None and _names(PROC / str(pid), mark)}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def _names(process: Path, mark: str) -> bool:
    with contextlib.suppress(OSError):
        if mark.encode() in (process / "environ").read_bytes():
            return True
    with contextlib.suppress(OSError):
        return os.readlink(process / "cwd").startswith(mark)
    return False


def _parent(process: Path) -> int | None:
    """None for one that has ended and only waits to be collected."""
    try:
        fields = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[1])
