"""Time that passes only when somebody sleeps. No test waits for AWS's minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable

Clock = Callable[[], float]  # seconds; time.monotonic is one too


class VirtualClock:
    """Thread-safe. Threads that sleep at once add up: time is then faster, never slower, than real."""

    def __init__(self, start: float = 1_000.0) -> None:
        self._lock = threading.Lock()
        self._now = start

    def now(self) -> float:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += max(0.0, seconds)
