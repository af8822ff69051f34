"""AWS's rates, as token buckets.

Source: Lambda's quotas page (GetFunction 100 a second, GetPolicy 15, all other control calls together 15);
IAM publishes no numbers: ours is a guess. The refusals: Lambda's API reference (TooManyRequestsException,
Reason, Retry-After), IAM's common errors (Throttling). Emulators have no rates.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, refuse, seen
from tests.support.strict.clock import Clock

AWS: Mapping[str, float] = MappingProxyType(
    {"lambda": 15, "lambda.GetFunction": 100, "lambda.GetPolicy": 15, "iam": 30}
)
INVOCATIONS = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})


class Throttle:
    """The layer. `rates`: calls a second by service, or by "service.Operation" for a bucket of its own.

    A bucket holds one second's calls. `refusals` counts by "service.Operation".
    """

    def __init__(self, clock: Clock, rates: Mapping[str, float] = AWS) -> None:
        self._clock, self._rates = clock, rates
        self._tokens = dict(rates)
        self._filled = dict.fromkeys(rates, clock())
        self._lock = threading.Lock()
        self.refusals: Counter[str] = Counter()

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        bucket = self._bucket(call)
        if bucket is None:
            return following(request)
        with self._lock:
            wait = self._take(bucket)
            if wait:
                self.refusals[f"{call.service}.{call.operation}"] += 1
        return _too_fast(call.service, wait) if wait else following(request)

    def _bucket(self, call: Seen) -> str | None:
        if call.service == "lambda" and call.operation in INVOCATIONS:
            return None
        names = (f"{call.service}.{call.operation}", call.service)
        return next((name for name in names if name in self._rates), None)

    def _take(self, bucket: str) -> float:
        """Takes a token; or the seconds until there is one."""
        rate, now = self._rates[bucket], self._clock()
        filled = self._tokens[bucket] + (now - self._filled[bucket]) * rate
        self._tokens[bucket], self._filled[bucket] = min(filled, max(rate, 1.0)), now
        if self._tokens[bucket] < 1:
            return (1 - self._tokens[bucket]) / rate
        self._tokens[bucket] -= 1
        return 0.0


def _too_fast(service: str, wait: float) -> Response:
    after = (("Retry-After", str(max(1, round(wait)))),)
    if service == "lambda":
        reason = (("x-amzn-Reason", "CallerRateLimitExceeded"), *after)
        response = refuse(service, 429, "TooManyRequestsException", "Rate exceeded", headers=reason)
        return response.with_body(
            b'{"Reason": "CallerRateLimitExceeded", "Type": "User", "message": "Rate exceeded"}'
        )
    if service == "s3":  # S3's error responses: SlowDown
        return refuse(service, 503, "SlowDown", "Please reduce your request rate.")
    code = "Throttling" if service == "iam" else "ThrottlingException"
    return refuse(service, 400, code, "Rate exceeded")
