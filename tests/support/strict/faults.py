"""What the way to AWS, and AWS itself, does now and then: lost answers, errors after the write, cut bodies.

Source: AWS's guidance on retries (a timeout says nothing about the call), and what boto3 makes of it, seen
with both emulators: half a JSON body of a success parses to {} without an error, and so does one that ends
before its Content-Length (botocore does not enforce it); half an XML one does not parse.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field, replace

from lambdactl.sandbox.front import HangUp
from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import refuse, seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often each fault strikes, of 1. Together at most 1."""

    dropped_before: float = 0.0  # the call never arrives
    dropped_after: float = 0.0  # it was done, the answer is lost
    error_before: float = 0.0  # 503, and nothing was done
    error_after: float = 0.0  # 500, and it was done
    truncated: float = 0.0  # a success with half a body, its length consistent
    cut: float = 0.0  # the body ends before its Content-Length

    @classmethod
    def each(cls, rate: float) -> Rates:
        return cls(**dict.fromkeys(cls.__slots__, rate))


@dataclass(kw_only=True)
class Faults:
    """The layer. The same calls on the same resource meet the same faults, in whatever order threads run.

    Never more than `in_a_row` on one operation and resource. `struck` counts by fault.
    """

    seed: int = 0
    rates: Rates = field(default_factory=Rates)
    in_a_row: int = 2
    struck: Counter[str] = field(default_factory=Counter)
    _times: Counter[str] = field(default_factory=Counter)
    _row: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, following: Next) -> Response:
        fault = self._fault(request)
        service = seen(request).service
        if fault == "dropped_before":
            raise HangUp
        if fault == "error_before":
            return refuse(service, 503, "ServiceUnavailable", "Service Unavailable")
        response = following(request)
        if fault == "dropped_after":
            raise HangUp
        if fault == "error_after":
            return refuse(service, 500, "InternalFailure", "Internal Failure")
        if fault in ("truncated", "cut") and response.status < 300 and request.method != "HEAD":
            half = response.with_body(response.body[: len(response.body) // 2])
            return replace(half, length=len(response.body)) if fault == "cut" else half
        return response

    def _fault(self, request: Request) -> str:
        call = seen(request)
        key = f"{call.service}.{call.operation}/{call.resource}"
        with self._lock:
            self._times[key] += 1
            roll = random.Random(f"{self.seed}/{key}/{self._times[key]}").random()
            for name in Rates.__slots__:
                roll -= getattr(self.rates, name)
                if roll < 0 and self._row[key] < self.in_a_row:
                    self._row[key] += 1
                    self.struck[name] += 1
                    return name
            self._row[key] = 0
        return ""
