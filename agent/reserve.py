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
AT_ONCE = 8  # files on their way together


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


def reserve(pace: Pace, left: int, files: int = 0) -> float:
    """Seconds for `left` bytes, of which some in `files` files."""
    trips = PUTS + files / AT_ONCE
    return min(MOST, BASE + left / pace.rate + trips * pace.round_trip)
