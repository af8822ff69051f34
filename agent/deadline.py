"""How the time of a run is divided: work, a polite stop, the upload. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Seconds of the monotonic clock. After `ends` Lambda kills us and everything not stored is lost."""

    stop_at: float  # when the CLI is asked to stop
    patience: float  # how long it may take over it
    ends: float

    @classmethod
    def of(cls, remaining: float, now: float) -> Deadline:
        """A tenth for the upload (2 to 30 s), a twentieth for the stop (5 s at most).

        Of a very short run, half remains for work.
        """
        remaining = max(0.0, remaining)
        reserve = min(30.0, max(2.0, remaining / 10), remaining / 3)
        patience = min(5.0, remaining / 20)
        return cls(stop_at=now + remaining - reserve - patience, patience=patience, ends=now + remaining)

    def left(self, now: float) -> float:
        return self.ends - now
