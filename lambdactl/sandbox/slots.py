"""Counts concurrent executions, as Lambda limits them. Thread-safe; starts nothing."""

from __future__ import annotations

import threading
from collections import Counter


class Slots:
    """Concurrent executions: one limit for all functions, one for each that has reserved its own."""

    def __init__(self, at_once: int) -> None:
        self._at_once, self._lock = at_once, threading.Lock()
        self._running: Counter[str] = Counter()

    def take(self, function: str, reserved: int | None) -> bool:
        with self._lock:
            free = self._running.total() < self._at_once
            if not free or (reserved is not None and self._running[function] >= reserved):
                return False
            self._running[function] += 1
            return True

    def give(self, function: str) -> None:
        with self._lock:
            self._running[function] -= 1

    def taken(self) -> int:
        with self._lock:
            return self._running.total()
