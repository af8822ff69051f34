"""Holds a container to the function's memory, and tells its peak, from its control group on this machine.

Anonymous memory only: /tmp (a tmpfs) and the page cache are charged to the group too, and Lambda counts
neither. So the group's own limit is that of memory and /tmp together (`create`), and what exceeds the
memory alone is found here, by sampling: the largest process is killed, as the kernel's OOM killer does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

from lambdactl.container import Engine
from lambdactl.errors import LambdactlError
from lambdactl.runners.owner import PATIENCE as ANSWERS

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
MB = 1 << 20
EVERY = 0.02  # seconds between samples: a shorter peak is missed
ASK_EVERY = 0.1  # seconds between questions whether it runs
ENDS = 0.2  # seconds in which one that was killed is left alone in any case
_KILLED = 1 << (signal.SIGKILL - 1)  # in a mask of signals
PATIENCE = 5.0  # seconds for the engine to kill, and for the watch to end


class Memory:
    """Watches from `start` to `close`. `peak` is in MB; 0 where the engine's groups cannot be read (a
    virtual machine, another host). `exceeded` says whether a process was killed here."""

    def __init__(self, engine: Engine, container: str, limit: int) -> None:
        self._engine, self._container, self._limit = engine, container, limit * MB
        self._most = 0
        self._killed, self._at = "", 0.0  # a process, which takes a while to end, and when
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.exceeded = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(PATIENCE)

    @property
    def peak(self) -> int:
        return min(-(-self._most // MB), self._limit // MB)

    def _watch(self) -> None:
        group = self._group()
        while group and not self._closed.wait(EVERY):
            try:
                self._sample(group)
            except (OSError, ValueError):
                return  # it has ended

    def _sample(self, group: Path) -> None:
        if self._killed and self._ends(group):
            return
        self._killed = ""
        lines = dict(
            line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines()
        )
        used = int(lines.get("total_rss") or lines.get("anon") or 0)
        self._most = max(self._most, used)
        if used > self._limit:
            self.exceeded = True
            with contextlib.suppress(OSError, ValueError, LambdactlError):
                self._kill_largest(group)

    def _ends(self, group: Path) -> bool:
        """Whether the one that was killed is still about to end: it holds its memory until it has, and
        whoever is the largest by then has done nothing. So waits the kernel, too."""
        if self._killed not in _processes(group):
            return False
        if time.monotonic() < self._at + ENDS:
            return True
        try:  # another may have its number, or the signal may not have reached it
            pending = [int(_status(self._killed, name) or "0", 16) for name in ("SigPnd", "ShdPnd")]
            return not _status(self._killed, "VmRSS") or any(mask & _KILLED for mask in pending)
        except OSError:
            return False

    def _kill_largest(self, group: Path) -> None:
        largest = max(_processes(group), key=_resident)
        try:
            os.kill(int(largest), signal.SIGKILL)
        except PermissionError:  # another user's: the engine may
            inside = _status(largest, "NSpid").split()[-1]
            if inside == "1":  # deaf to what comes from within
                self._engine.call("kill", "--signal", "KILL", self._container, timeout=PATIENCE)
            else:
                command = ("exec", self._container, "/bin/sh", "-c", f"kill -9 {inside}")
                self._engine.call(*command, timeout=PATIENCE)
        self._killed, self._at = largest, time.monotonic()

    def _group(self) -> Path | None:
        """Asked until the container runs."""
        while not self._closed.wait(ASK_EVERY):
            match _state(self._engine, self._container):
                case ["true", pid, identity]:
                    return group_of(pid, identity)
                case ["false", *_]:
                    continue
                case _:
                    return None
        return None


def measurable(engine: Engine, container: str) -> bool:
    """Whether the group of a container that runs can be read from here."""
    match _state(engine, container):
        case ["true", pid, identity]:
            return group_of(pid, identity) is not None
    return False


def _state(engine: Engine, container: str) -> list[str]:
    """Whether it runs, its process and its id; nothing when the engine does not say."""
    asked = "{{.State.Running}} {{.State.Pid}} {{.Id}}"
    try:
        done = engine.call("inspect", "--format", asked, container, check=False, timeout=ANSWERS)
    except LambdactlError:
        return []  # a run is worth more than its measure
    return done.stdout.decode().split()


def group_of(pid: str, container: str) -> Path | None:
    """The memory group of a container's process, where it can be read from here.

    Of an engine on another machine, the number is some other process's here: its group has not the
    container's id in its name.
    """
    try:
        groups = (PROC / pid / "cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in groups:
        number, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        if "memory" in controllers.split(","):
            return _there(CGROUP / "memory" / path.lstrip("/"))
        if number == "0" and (found := _there(CGROUP / path.lstrip("/"))):
            return found
    return None


def _there(group: Path) -> Path | None:
    return group if (group / "memory.stat").exists() else None


def _processes(group: Path) -> list[str]:
    return (group / "cgroup.procs").read_text(encoding="ascii").split()


def _resident(pid: str) -> int:
    """In pages; 0 of one that has ended."""
    try:
        return int((PROC / pid / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0


def _status(pid: str, name: str) -> str:
    lines = (PROC / pid / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.partition(":")[2] for line in lines if line.startswith(f"{name}:")), "")
