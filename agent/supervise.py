"""Runs one command to its end or its deadline, and leaves nothing of it behind. Knows no agent type.

The child writes into pipes (a file as standard output would be truncated by `> /dev/stdout`). What
it writes is spooled to files first and looked at second, so a line we cannot read is never lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import RawIOBase
from typing import IO, Literal

from agent import memory, processes
from agent.child import Command, Stop, signal_name, spawn
from agent.framing import Lines
from agent.watchdog import Silence, Watchdog

TICK = 0.1  # seconds between looks at the deadline
LINGER = 10.0  # seconds a CLI may take to exit after its last event (claude-code#25629, #39700)
DRAIN = 2.0  # seconds for the pipes to empty once every writer is dead
LAST_LOOK = 0.5  # seconds of them for looking at what comes out: after that it is only kept
READ = 64 << 10  # bytes looked at before the clock is: half of them may be ends of lines
PIPE = 256 << 10  # bytes; a user may ask for 1 MiB by default

# What an adapter makes of a line: nothing, "that was the last word", or "this run is to be stopped".
Reaction = Literal["", "finished", "abort"]
Why = Literal["", "deadline", "cancelled", "abort", "linger", "start_timeout", "stalled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`until` is asked again and again: when, by the clock, the time is over. A stop may take `patience`
    seconds, and `hurry` seconds beyond `until`.

    `silence` is None for what need not speak, `memory` (bytes) where no limit is known.
    """

    until: Callable[[], float]
    patience: float = 5.0
    hurry: float = 1.0
    linger: float = LINGER
    cancelled: Callable[[], bool] = lambda: False
    overspent: Callable[[], bool] = lambda: False  # the model is refused to it
    alone: bool = False  # this process has no other children: all of them are the run's
    sole: bool = False  # nor has its user any other process
    silence: Silence | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """`why` we stopped it, "" when we did not; `finished` when its last word came before that."""

    exit_code: int | None
    signal: str | None
    why: Why
    finished: bool
    dropped_lines: int = 0
    unspooled: int = 0  # bytes of output
    survivors: int = 0
    out_of_memory: bool = False
    memory_peak: int = 0  # bytes, all processes of the run and ours
    memory_kills: int = 0  # processes that the kernel killed for memory, where it counts them
    silent: float = 0.0  # seconds since its last output when we stopped it


def supervise(
    command: Command,
    limits: Limits,
    on_line: Callable[[bytes], Reaction],
    clock: Callable[[], float] = time.monotonic,
) -> Ending:
    """Raises OSError when the command cannot be started at all."""
    with command.stdout.open("wb", 0) as out, command.stderr.open("wb", 0) as err:
        oom_before = processes.oom_kills()
        child = spawn(command)
        watch = _Watch(command, limits, on_line, clock, child, {child.stdout: out, child.stderr: err})
        try:
            watch.until_exit()
        finally:
            survivors = watch.end()
    code, peak = child.returncode, watch.meter.close()
    kills = _kills_since(oom_before)
    return Ending(
        exit_code=code if code is not None and code >= 0 else None,
        signal=signal_name(code),
        why=watch.why,
        finished=watch.finished,
        dropped_lines=watch.lines.dropped,
        unspooled=watch.unspooled,
        survivors=survivors,
        out_of_memory=not watch.killed and memory.ran_out(code, kills, peak, limits.memory),
        memory_peak=peak,
        memory_kills=kills or 0,
        silent=watch.silent,
    )


class _Watch:
    """One child while it lives: its pipes, its deadline, its end."""

    def __init__(
        self,
        command: Command,
        limits: Limits,
        on_line: Callable[[bytes], Reaction],
        clock: Callable[[], float],
        child: subprocess.Popen[bytes],
        spools: Mapping[object, RawIOBase],
    ) -> None:
        self.command = command
        self.limits = limits
        self.on_line = on_line
        self.clock = clock
        self.child = child
        self.lines = Lines()
        self.why: Why = ""
        self.finished = False
        self.unspooled = 0
        self.killed = False
        self.silent = 0.0
        self._aborting = False
        self._linger_until: float | None = None
        self._look_until = math.inf
        self._watchdog = Watchdog(limits.silence, clock())
        self.meter = memory.Meter(pids=self._pids)
        self._selector = selectors.DefaultSelector()
        for pipe, spool in spools.items():
            assert pipe is child.stdout or pipe is child.stderr
            _widen(pipe)
            self._selector.register(pipe, selectors.EVENT_READ, spool)  # type: ignore[arg-type]

    def until_exit(self) -> None:
        while self.child.poll() is None:
            self._read(TICK)
            self.meter.look(self.clock())
            if why := self._reason_to_stop():
                self.why, self.silent = why, self._watchdog.silent(self.clock())
                self._stop()
                return

    def end(self) -> int:
        """Kill what is left, empty the pipes; how many processes would not die."""
        self.killed = self.child.poll() is None
        ancestors, everyone = self._ancestors(), self.limits.sole
        left = processes.kill(self.command.mark, ancestors, everyone=everyone, clock=self.clock)
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel: no signal reaches it
            self.child.wait(DRAIN)
        if self.limits.alone:
            processes.reap()
        until = self.clock() + DRAIN
        self._look_until = self.clock() + LAST_LOOK
        while self._selector.get_map() and self.clock() < until:
            self._read(TICK)
        self._take(self.lines.close())
        for key in list(self._selector.get_map().values()):
            self._drop(key)
        self._selector.close()
        return len(left)

    def _reason_to_stop(self) -> Why:
        if self._aborting or self.limits.overspent():
            return "abort"
        if self.limits.cancelled():
            return "cancelled"
        if self.clock() >= self.limits.until():
            return "deadline"
        if self._linger_until is not None and self.clock() >= self._linger_until:
            return "linger"
        return "" if self.finished else self._watchdog.bites(self.clock())

    def _pids(self) -> set[int]:
        """The run's processes, and this one."""
        return processes.find(self.command.mark, self._ancestors()) | {os.getpid()}

    def _ancestors(self) -> set[int]:
        """Once the child's exit is collected, its pid may be somebody else's."""
        ancestors = {self.child.pid} if self.child.returncode is None else set()
        return ancestors | ({os.getpid()} if self.limits.alone else set())

    def _stop(self) -> None:
        """The CLI's own polite signals, each with its time, all together within the limits' time."""
        now = self.clock()
        until = min(now + self.limits.patience, max(now, self.limits.until()) + self.limits.hurry)
        for stop in self.command.stops:
            self._signal(stop)
            step = min(until, self.clock() + stop.seconds)
            while self.child.poll() is None and self.clock() < step:
                self._read(min(TICK, max(0.0, step - self.clock())))
            if self.child.poll() is not None:
                return

    def _signal(self, stop: Stop) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if stop.group:
                os.killpg(self.child.pid, stop.signal)  # the child leads its own session
            else:
                self.child.send_signal(stop.signal)

    def _read(self, timeout: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout)  # both pipes are closed: nothing is left to wait on
            return
        for key, _ in self._selector.select(timeout):
            content = os.read(key.fd, READ)
            if not content:
                self._drop(key)
                continue
            self._spool(key.data, content)
            if key.fileobj is self.child.stdout:
                self._watchdog.heard(self.clock())
            if key.fileobj is self.child.stdout and self.clock() < self._look_until:
                self._take(self.lines.feed(content))

    def _spool(self, spool: RawIOBase, content: bytes) -> None:
        """A full disk must not end the run: what does not fit is counted."""
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[spool.write(rest) or 0 :]
        except OSError:
            self.unspooled += len(rest)

    def _drop(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]

    def _take(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            reaction = self.on_line(line)
            if reaction == "finished" and not self.why:
                self.finished = True
                self._linger_until = self.clock() + self.limits.linger
            self._aborting = self._aborting or reaction == "abort"


def _widen(pipe: IO[bytes] | None) -> None:
    """What the child writes while our other threads have the interpreter must not have to wait for us."""
    assert pipe
    with contextlib.suppress(OSError):  # the kernel bounds it for all of a user's pipes
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)


def _kills_since(before: int | None) -> int | None:
    now = processes.oom_kills()
    return None if before is None or now is None else now - before
