"""What keeps processes of our own user from what this one knows. Best effort, recorded, never an error.

All processes on Lambda are one user, and such a process may read another's environment and memory,
unless the other is not dumpable. Where the kernel refuses that, the environment block that the process
was started with, which /proc/PID/environ shows for ever, is emptied at least.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from agent import processes

RUNTIME_API = "AWS_LAMBDA_RUNTIME_API"  # whoever knows it may answer in our place

NOT_DUMPABLE = "notDumpable"
EMPTIED = "environmentEmptied"
WITHHELD = "runtimeApiWithheld"


def harden(environment: MutableMapping[str, str] = os.environ) -> dict[str, bool]:
    """By measure, whether it holds. `environment` stays as it is; it must be this process's own."""
    emptied = _empty(environment)  # first: a process that is not dumpable may not even read of itself
    return {NOT_DUMPABLE: processes.hide_memory(), EMPTIED: emptied}


def withheld(given: Mapping[str, str], runtime_api: str) -> bool:
    """Whether a child's environment says nothing of the Runtime API."""
    return RUNTIME_API not in given and not (
        runtime_api and any(runtime_api in each for each in given.values())
    )


def _empty(environment: MutableMapping[str, str]) -> bool:
    try:
        start, end = _block(Path("/proc/self/stat").read_text(errors="replace"))
        if not _is_ours_to_write(Path("/proc/self/maps").read_text(errors="replace"), start, end):
            return False
        for name in list(environment):
            environment[name] = environment[name]  # putenv: C code finds a copy on the heap from now on
        ctypes.memset(start, 0, end - start)
        return not any(ctypes.string_at(start, end - start))
    except (OSError, ValueError, IndexError):
        return False


def _block(stat: str) -> tuple[int, int]:
    """Where the block lies: fields 50 and 51 (proc(5)). The second may hold spaces and parentheses."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[47]), int(fields[48])


def _is_ours_to_write(maps: str, start: int, end: int) -> bool:
    """A wrong address would end this process: it must lie in memory that is mapped, and writable."""
    for line in maps.splitlines():
        bounds, permissions = line.split()[:2]
        low, high = (int(each, 16) for each in bounds.split("-"))
        if low <= start < end <= high:
            return permissions.startswith("rw")
    return False
