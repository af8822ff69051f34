"""What `--timeout` says: when nothing more is begun and nothing is waited for. Waits for nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable

from lambdactl.errors import TimeLimit


class Deadline:
    """So many seconds from now; None for never."""

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._end = None if seconds is None else clock() + seconds

    def left(self) -> float | None:
        """Seconds until then, never less than 0; None when there is no end."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def over(self) -> bool:
        return self.left() == 0

    def check(self, seconds: float = 0.0) -> None:
        """Raises TimeLimit when it is over, or would be so many seconds from now."""
        left = self.left()
        if left is not None and (left < seconds or not left):
            raise TimeLimit(
                f"the time limit of {self._seconds:.0f} s is over",
                hint="nothing done is lost: run it again, or give it longer (`--timeout`)",
            )


NEVER = Deadline()
