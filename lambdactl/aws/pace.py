"""Rate budgets on our side: one for each family of calls that AWS counts together. Makes no call.

Pacing beats backing off: a burst of throttled calls costs more than waiting for one's turn. Each budget
is shared by all threads, gives way when AWS throttles all the same (others use the account too), and
comes back bit by bit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

# Calls per second. Lambda's quotas are documented ("Lambda quotas", API requests): GetFunction 100, all
# other calls of the control plane together 15; a little is left to others. GetSchedule has 50 at least
# ("Scheduler quotas"; *unverified*). Those of IAM are not published. They are said to count each operation
# apart, while ours counts all together: a job that is created makes three different calls to IAM, so that
# none is made more than 5 times a second, a third of Lambda's rate. Those of the rest were not found:
# chosen low enough, *unverified*, and adapted when throttled.
BUDGETS: Mapping[str, float] = MappingProxyType(
    {
        "lambda.GetFunction": 80.0,
        "lambda.Invoke": 80.0,
        "lambda": 14.0,
        "iam": 15.0,
        "logs": 20.0,
        "ssm": 20.0,
        "scheduler.GetSchedule": 40.0,
        "scheduler": 20.0,
        "ecr": 50.0,
        "sts": 50.0,
        "s3": 200.0,
    }
)
_SLOWER, _FASTER = 0.7, 1.02  # by throttle, by success
_SLOWEST = 0.5


def family(service: str, operation: str) -> str:
    """Which budget a call draws on."""
    own = f"{service}.{operation}"
    return own if own in BUDGETS else service


class Pace:
    """When each family's next call may go. A second's worth may go at once after a pause. Thread-safe."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}
        self._turns: dict[str, float] = {}

    def take_turn(self, name: str) -> None:
        """Returns when a call of this family may go."""
        with self._lock:
            now, rate = self._clock(), self._rate(name)
            turn = max(self._turns.get(name, 0.0), now - 1.0)
            self._turns[name] = turn + 1 / rate
        if turn > now:
            self._sleep(turn - now)

    def throttled(self, name: str) -> None:
        """AWS had enough: fewer calls, and none at once."""
        with self._lock:
            self._rates[name] = max(_SLOWEST, self._rate(name) * _SLOWER)
            self._turns[name] = max(self._turns.get(name, 0.0), self._clock())

    def succeeded(self, name: str) -> None:
        with self._lock:
            if name in self._rates:
                self._rates[name] = min(BUDGETS.get(name, 20.0), self._rates[name] * _FASTER)

    def _rate(self, name: str) -> float:
        return self._rates.get(name, BUDGETS.get(name, 20.0))
