"""Waits for one runtime: for the end of its start, for its answer to an event. Kills nothing.

ready      it has started and waits for an event
answered   it gave a response or an error, maybe of its start
exited     its container ended without one
timed_out  its time is up
stopped    it was asked to stop and did not, or had no event yet
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from lambdactl.runners.runtime_api import RuntimeApi

Ending = Literal["ready", "answered", "exited", "timed_out", "stopped"]

INIT_LIMIT = 10.0  # seconds of a start; then Lambda tries again, within the time of the function
STOP_PATIENCE = 30.0  # seconds from a soft stop to a kill: the agent gathers and stores what it has
TICK = 0.1


@dataclass(slots=True, kw_only=True)
class Watch:
    """`exited` and `stop` are set by others, `api.changed` too. `terminate` asks the runtime to end.

    Limits are times of `time.monotonic`.
    """

    api: RuntimeApi
    exited: threading.Event
    stop: threading.Event
    terminate: Callable[[], None]
    _stopping_since: float | None = field(default=None)

    def until_ready(self, limit: float) -> Ending:
        """ "answered" is an error of its start."""
        return self._until(lambda: self._idle() or self._answered(), limit)

    def until_answered(self, limit: float) -> Ending:
        return self._until(self._answered, limit)

    def until_idle(self, limit: float) -> Ending:
        """After its answer; never "answered"."""
        return self._until(self._idle, limit)

    def _idle(self) -> Ending | None:
        return "ready" if self.api.idle else None

    def _answered(self) -> Ending | None:
        return "answered" if self.api.outcome else None

    def _until(self, met: Callable[[], Ending | None], limit: float) -> Ending:
        while True:
            if ending := met() or self._end(limit):
                return met() or ending  # what came between the two looks came in time
            self.api.changed.wait(max(0.0, min(TICK, limit - time.monotonic())))
            self.api.changed.clear()

    def _end(self, limit: float) -> Ending | None:
        if self.exited.is_set():
            return "exited"
        if self.stop.is_set() and self._stopping_since is None:
            if not self.api.running:
                return "stopped"  # there is nothing to gather
            self._stopping_since = time.monotonic()
            self.terminate()
        if self._stopping_since is not None:
            limit = min(limit, self._stopping_since + STOP_PATIENCE)
        if time.monotonic() < limit:
            return None
        return "timed_out" if self._stopping_since is None else "stopped"
