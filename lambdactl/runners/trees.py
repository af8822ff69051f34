"""Ends every process of a run that has no container: by parentage, and by a mark in its environment.

The mark is the run's own throwaway folder, which no other process names: a child that left its process
group and whose parent is gone is still found by it. Linux; elsewhere the process group has to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

PROC = Path("/proc")
ROUNDS = 100  # a process may fork between being seen and being stopped


def kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_marked(mark: str) -> None:
    """All that can be found. They are stopped first: a child whose parent is killed looks like anyone's."""
    stopped: set[int] = set()
    for _ in range(ROUNDS):
        found = set(marked(mark)) - stopped
        if not found:
            break
        _signal(found, signal.SIGSTOP)
        stopped |= found
    _signal(stopped, signal.SIGKILL)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


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
