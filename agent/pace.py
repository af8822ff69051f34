"""How many lines a second are passed on. An agent that floods must not keep its supervisor from the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

BURST = 500.0  # lines at once
RATE = 20.0  # lines a second after that


@dataclass(slots=True, kw_only=True)
class Pace:
    """A bucket of tokens. `held` lines did not pass since the last `forget`."""

    clock: Callable[[], float] = time.monotonic
    held: int = 0
    _tokens: float = BURST
    _at: float = field(default=0.0)

    def passes(self) -> bool:
        now = self.clock()
        self._tokens = min(BURST, self._tokens + (now - self._at) * RATE)
        self._at = now
        if self._tokens < 1:
            self.held += 1
            return False
        self._tokens -= 1
        return True

    def forget(self) -> int:
        held, self.held = self.held, 0
        return held
