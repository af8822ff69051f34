"""Strikes at one moment: a call was carried out, and its answer is on the way. For kill tests."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lambdactl.sandbox.messages import Next, Request, Response


class KillAt:
    """The layer. After the `n`-th call (from 1) went through and before it is answered: `strike()`.

    Which of the calls under way at once is the n-th, the threads decide. `calls` counts all of them.
    """

    def __init__(self, n: int, strike: Callable[[], None]) -> None:
        self._n, self._strike = n, strike
        self._lock = threading.Lock()
        self.calls = 0

    def __call__(self, request: Request, following: Next) -> Response:
        with self._lock:
            self.calls += 1
            mine = self.calls == self._n
        response = following(request)
        if mine:
            self._strike()
        return response
