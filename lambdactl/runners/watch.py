"""Watches one sandbox from its start to the end of its event. Kills nothing: says what to do.

answered   the runtime gave a response or an error
exited     the container ended without one
timed_out  the function's time is up
stopped    it was asked to stop and did not, or had not begun
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from lambdactl.runners.runtime_api import RuntimeApi

Ending = Literal["answered", "exited", "timed_out", "stopped"]

INIT_LIMIT = 10.0  # seconds; then Lambda starts it again, within the time of the function
STOP_PATIENCE = 30.0  # seconds from a soft stop to a kill: the agent gathers and stores what it has
TICK = 0.1


@dataclass(slots=True, kw_only=True)
class Watch:
    """`terminate` sends SIGTERM, `sample` is called now and then while the function runs."""

    api: RuntimeApi
    timeout: float
    exited: threading.Event
    stop: threading.Event
    terminate: Callable[[], None]
    sample: Callable[[], None]
    slow_start: Callable[[], None]
    started: float = field(default_factory=time.monotonic)
    _stopping_since: float | None = None
    _said_slow: bool = False

    def until_end(self) -> Ending:
        while True:
            ending = self._look()
            if ending:
                return ending
            self.api.changed.wait(max(0.0, min(TICK, self._limit() - time.monotonic())))
            self.api.changed.clear()

    def _look(self) -> Ending | None:
        if self.api.outcome:
            self.sample()
            return "answered"
        if self.exited.is_set():
            return "exited"
        running = self.api.dispatched_at is not None
        if self.stop.is_set() and self._stopping_since is None:
            if not running:
                return "stopped"  # there is nothing to gather
            self._stopping_since = time.monotonic()
            self.terminate()
        if time.monotonic() >= self._limit():
            return "stopped" if self._stopping_since is not None else "timed_out"
        self._while_it_lasts(running)
        return None

    def _while_it_lasts(self, running: bool) -> None:
        if running:
            self.sample()
        elif not self._said_slow and time.monotonic() >= self.started + INIT_LIMIT:
            self._said_slow = True
            self.slow_start()

    def _limit(self) -> float:
        begun = self.api.dispatched_at
        limit = begun + self.timeout if begun is not None else self.started + INIT_LIMIT + self.timeout
        if self._stopping_since is None:
            return limit
        return min(limit, self._stopping_since + STOP_PATIENCE)
