"""How long before its end a run must stop so that all of it can still be stored. Pure.

Measured while it runs: what is left to upload, over how fast uploads were.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

BASE = 1.0  # seconds: the end of the processes, and result.json
MOST = 60.0  # seconds
RATE = 10e6  # bytes a second, masked and uploaded, until a part has shown better
TELLING = 256 << 10  # bytes: a smaller part tells of the round trip, not of the rate
PUTS = 4  # round trips in a row at the end: the last parts, an artifact, result.json, and one to spare
AT_ONCE = 6  # files on their way together
PROMPT = 0.2  # seconds between two looks at the clock that are nothing to speak of
FORGOTTEN = 0.98  # at each look
WAITS = 10  # times at the end that we come to wait as long
SLOW = 5.0  # seconds at most for that


@dataclass(slots=True)
class Pace:
    """How fast uploads are. May be told by several threads."""

    rate: float = RATE
    round_trip: float = 0.0  # seconds
    _lock: Lock = field(default_factory=Lock)

    def took(self, size: int, seconds: float) -> None:
        with self._lock:
            if size >= TELLING:
                seen = size / max(seconds, 1e-3)
                self.rate = seen if self.rate == RATE else (self.rate + seen) / 2
            else:
                self.round_trip = seconds if not self.round_trip else (self.round_trip + seconds) / 2


@dataclass(slots=True)
class Lag:
    """How late we come to do what we do ten times a second: a job of a thousand processes, or a small share
    of a processor, makes the end of a run slow too."""

    late: float = 0.0  # seconds
    _before: float | None = None

    def seen(self, now: float) -> None:
        """Told again and again. What was late is slowly forgotten."""
        gap = 0.0 if self._before is None else now - self._before
        self._before = now
        self.late = max(self.late * FORGOTTEN, gap - PROMPT)


def reserve(pace: Pace, left: int, files: int = 0, late: float = 0.0) -> float:
    """Seconds for `left` bytes, of which some in `files` files."""
    trips = PUTS + files / AT_ONCE
    slow = min(SLOW, WAITS * late)
    return min(MOST, BASE + left / pace.rate + trips * pace.round_trip + slow)
