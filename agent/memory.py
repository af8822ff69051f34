"""How much memory a run takes, by /proc: looks from time to time, and remembers the most. Linux only.

Counted is what cannot be dropped (anonymous and shared pages): pages of files go when memory is short.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

EVERY = 1.0  # seconds between two looks
NEAR = 0.8  # of the function's memory; the sandbox's own part is not ours to see

_MALLOC = ((-8, 1), (-3, 128 << 10), (-1, 128 << 10))  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


@dataclass(slots=True, kw_only=True)
class Meter:
    """`pids` says whose memory counts. `peak` is in bytes."""

    pids: Callable[[], Iterable[int]]
    peak: int = 0
    _next: float = 0.0
    _children: int = 0

    def __post_init__(self) -> None:
        self._children = _largest_child()

    def look(self, now: float) -> None:
        """At most once in EVERY seconds."""
        if now >= self._next:
            self._next = now + EVERY
            self.peak = max(self.peak, sum(map(resident, self.pids())))

    def close(self) -> int:
        """The peak, once the run's processes were waited for: one that grew between two looks shows here."""
        largest = _largest_child()
        if largest > self._children:
            self.peak = max(self.peak, largest)
        return self.peak


def resident(pid: int) -> int:
    """Bytes that a process holds; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
        found = {line.split()[0]: int(line.split()[1]) << 10 for line in lines if line.endswith(b" kB")}
        if b"RssAnon:" in found:
            return found[b"RssAnon:"] + found.get(b"RssShmem:", 0)
        return found.get(b"VmRSS:", 0)  # kernels that do not tell them apart
    return 0


def ran_out(code: int | None, kills: int | None, peak: int, limit: int | None) -> bool:
    """Whether a process that we did not kill ended since memory ran out, and not by itself.

    `kills` are those that our kernel counted. Where it counted none, or does not count, `peak` tells, as
    well as it can: the limit may be kept from outside, as by `run-local` and perhaps by Lambda.
    """
    if code not in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return False
    if kills:
        return True
    return peak >= limit * NEAR if limit is not None else kills is None


def share() -> bool:
    """One heap for all of our threads, and large pieces given back as soon as they are free.

    By default glibc gives each thread a heap, and learns to keep large pieces: a fifth more in a run with
    many files. False where the C library is another.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(option, value) for option, value in _MALLOC)


def _largest_child() -> int:
    """The most that any process we waited for ever had resident, in bytes, pages of files included."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
