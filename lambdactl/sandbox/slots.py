"""Counts concurrent executions, as Lambda limits them. Thread-safe; starts nothing."""

from __future__ import annotations

import threading
from collections import Counter


class Slots:
    """Concurrent executions: `at_once` of all functions together, but for those that have reserved their own,
    which nobody else takes. (More than `at_once` of one function this machine never runs.)"""

    def __init__(self, at_once: int) -> None:
        self._at_once, self._lock = at_once, threading.Lock()
        self._running: Counter[str] = Counter()

    def take(self, function: str, reserved: int | None) -> bool:
        with self._lock:
            pool, most = _pool(function, reserved), self._at_once
            if self._running[pool] >= (most if reserved is None else min(reserved, most)):
                return False
            self._running[pool] += 1
            return True

    def give(self, function: str, reserved: int | None) -> None:
        """What was taken with the same words."""
        with self._lock:
            self._running[_pool(function, reserved)] -= 1

    def taken(self) -> int:
        with self._lock:
            return self._running.total()


def _pool(function: str, reserved: int | None) -> str:
    return "" if reserved is None else function
