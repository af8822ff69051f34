"""When an asynchronous event is tried again after a function error, as in Lambda. Pure.

Lambda waits 1 minute before its first and 2 minutes before its second retry (AWS, "Error handling for
asynchronous invocations"); here the waits have the same proportion and a unit of one's own.
"""

from __future__ import annotations

from collections.abc import Iterator

LAMBDA_S = 60.0  # seconds before the first retry
UNIT = 1.0  # and here


def waits(retries: int, unit: float = UNIT) -> Iterator[float]:
    """Seconds before each retry."""
    for retry in range(retries):
        yield unit * 2**retry
