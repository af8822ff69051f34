"""Which processes belong to a run, by /proc, and their end. Linux only; every prctl is best effort.

A process group is not enough: Claude Code starts each Bash call in a session of its own, and what a
job sends to the background is adopted by somebody else. A run's processes descend from one of ours,
or carry the run's mark in their environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

MARK = "AGENT_RUN"  # the variable; its value is "<work folder>:<run id>"

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def find(mark: str, ancestors: Iterable[int]) -> set[int]:
    """Living processes that carry a mark beginning with `mark`, or descend from such or from `ancestors`.

    The ancestors themselves are included when they are not this process.
    """
    parents = _parents()
    ours = set(ancestors)
    ours |= {pid for pid in parents if _is_marked(pid, f"{MARK}={mark}".encode())}
    growing = True
    while growing:
        more = {pid for pid, parent in parents.items() if parent in ours and pid not in ours}
        ours |= more
        growing = bool(more)
    return {pid for pid in ours if pid in parents and pid != os.getpid()}


def kill(
    mark: str,
    ancestors: Iterable[int],
    *,
    everyone: bool = False,
    seconds: float = 3.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> set[int]:
    """SIGKILL until none is left or `seconds` are over; those still left. Looks again for new ones.

    `everyone`: all of our user but us, in one system call: what forks faster than we look has no chance.
    """
    ancestors = tuple(ancestors)
    until = clock() + seconds
    if everyone:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(-1, signal.SIGKILL)
    while left := find(mark, ancestors):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if clock() > until:
            break
        sleep(0.02)
    return left


def only_us() -> bool:
    """Whether our user has no process but this one. Never for root, whose signals reach everybody's."""
    me, user = os.getpid(), str(os.geteuid())
    if user == "0":
        return False
    return all(pid == me or user not in _users(pid) for pid in _parents())


def _users(pid: int) -> list[str]:
    """The real, effective, saved and file system user of a process; ours when it does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []  # it has ended
    except OSError:
        return [str(os.geteuid())]
    return next(line.split()[1:] for line in lines if line.startswith("Uid:"))


def reap() -> None:
    """Collect the exit of every dead child, adopted ones too. Only when no Popen of ours still waits."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def adopt_orphans() -> bool:
    """Make what loses its parent our child, so that it stays findable. False where the kernel refuses."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> bool:
    """Keep processes of our user from reading our environment and memory. False where refused."""
    return _prctl(_PR_SET_DUMPABLE, 0)


def oom_kills() -> int | None:
    """How often the kernel killed for memory in our cgroup; None where it does not say, as on Lambda."""
    v1 = Path("/sys/fs/cgroup/memory")
    for path in (Path("/sys/fs/cgroup/memory.events"), v1 / "memory.oom_control"):
        with contextlib.suppress(OSError, ValueError):
            if path.parent == v1 and str(os.getpid()) not in (v1 / "cgroup.procs").read_text().split():
                return None  # out of a container the root's counter is not ours, and knows of itself only
            for line in path.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return None


def _parents() -> dict[int, int]:
    """pid -> parent's pid of all processes that are not zombies."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # "pid (comm) state ppid ...": comm may hold spaces and parentheses.
                state, parent = (
                    Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                )
                if state not in "ZX":
                    found[int(name)] = int(parent)
    return found


def _is_marked(pid: int, prefix: bytes) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # another user's, or gone
    return b"\0" + prefix in b"\0" + environment


def _prctl(option: int, value: int) -> bool:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return int(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False
