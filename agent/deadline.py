"""How the time of a run is divided: work, a polite stop, the upload. Pure."""

from __future__ import annotations

from dataclasses import dataclass

RESERVE = 1.0  # seconds; less only of a very short run
PATIENCE = 1.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Seconds of the monotonic clock. After `ends` Lambda kills us and everything not stored is lost."""

    ends: float
    seconds: float  # in all

    @classmethod
    def of(cls, remaining: float, now: float) -> Deadline:
        remaining = max(0.0, remaining)
        return cls(ends=now + remaining, seconds=remaining)

    @property
    def patience(self) -> float:
        """How long the CLI may take over its stop when the time is over: both end within 0.2 s."""
        return min(PATIENCE, self.seconds / 20)

    def stop_at(self, reserve: float = RESERVE) -> float:
        """When the CLI is asked to stop, if the upload takes `reserve` seconds.

        Of a run, at least half remains for work, and of a very short one too.
        """
        reserve = min(max(RESERVE, reserve), self.seconds / 3)
        return self.ends - reserve - self.patience

    def left(self, now: float) -> float:
        return self.ends - now
