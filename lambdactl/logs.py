"""A run's streams read back, line by line, also while they are written. Draws nothing, knows no event."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lambdactl.errors import NotFound, RunError, UsageError
from lambdactl.runs import Run, is_run_id

if TYPE_CHECKING:
    from lambdactl.project_runs import ProjectRuns

STREAMS = ("events", "stdout", "stderr", "transcript", "mcp")
MAIN = ("events", "stdout")  # a run has one of them
POLL = 2.0  # seconds
_LEG = re.compile(r"legs/([0-9]{1,2})/([a-z]+)/")
LONGEST = 64 << 20  # bytes of a line; a longer one is cut into several


def lines(
    runs: ProjectRuns,
    run: Run,
    stream: str = "",
    *,
    follow: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[str, bytes]]:
    """(folder of its parts, line) of a stream, or of the main one; with `follow` until the run has ended."""
    if stream and stream not in STREAMS:
        raise UsageError(f"there is no stream {stream}", hint=f"streams: {', '.join(STREAMS)}")
    parts = _Parts()
    while True:
        # Asked before the parts are listed: once it has ended, no more come.
        running = follow and runs.again(run).state in ("queued", "running")
        for kind in (stream,) if stream else MAIN:
            for name in _names(runs, run, kind):
                yield from parts.take(name, runs.chunks(run, name))
        if not running:
            yield from parts.rest()
            return
        sleep(POLL)


def _names(runs: ProjectRuns, run: Run, kind: str) -> list[str]:
    """The parts of a stream in their order: those of a run in several legs lie with each leg."""
    if names := [name for name, _ in runs.files(run, f"{kind}/")]:
        return sorted(names)
    legs = ((_LEG.match(name), name) for name, _ in runs.files(run, "legs/"))
    found = sorted((int(leg[1]), name) for leg, name in legs if leg and leg[2] == kind)
    return [name for _, name in found]


def kind(name: str) -> str:
    """Which stream a part, or a folder of parts, is of; it is no stream's where nothing is."""
    return re.sub(r"^legs/[0-9]{1,2}/", "", name).partition("/")[0]


def begun(
    runs: ProjectRuns, run_id: str, waiting: Callable[[], None], sleep: Callable[[float], None] = time.sleep
) -> Run:
    """The run, once it has begun. Until then `waiting` is called once: nobody knows whether it will."""
    said = False
    while True:
        try:
            return runs.find(run_id)
        except RunError:
            if not is_run_id(run_id):
                raise
        if not said:
            waiting()
            said = True
        sleep(POLL)


class _Parts:
    """What was taken of each folder of parts."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._begun: dict[str, bytes] = {}  # lines whose end is in a part to come

    def take(self, name: str, chunks: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
        """The lines of one part, which nothing is read of when it was taken before."""
        if name in self._seen:
            return
        self._seen.add(name)
        folder = name.rpartition("/")[0]
        try:
            for chunk in chunks:
                *whole, rest = (self._begun.pop(folder, b"") + chunk).split(b"\n")
                yield from ((folder, line) for line in whole)
                while len(rest) > LONGEST:
                    yield folder, rest[:LONGEST]
                    rest = rest[LONGEST:]
                self._begun[folder] = rest
        except (NotFound, OSError):
            return  # gone since it was listed

    def rest(self) -> Iterator[tuple[str, bytes]]:
        yield from ((folder, line) for folder, line in self._begun.items() if line)
