"""X-Ray's trace header as Lambda uses it to count how often a function has invoked itself. Pure.

`Lineage=1:<function>:<count>`, as recorded on AWS; how AWS makes the second part is not known, here it is
a hash of the function's ARN. A chain ends at "approximately 16" invocations (AWS Lambda, "recursive loop
detection").
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid

MOST = 16
_LINEAGE = re.compile(r"(?:^|;)Lineage=1:(?P<function>[0-9a-f]{8}):(?P<count>\d{1,5})(?=;|$)")


def first(arn: str) -> str:
    """The header of an invocation from outside."""
    root, parent = uuid.uuid4().hex, uuid.uuid4().hex
    start = f"Root=1-{int(time.time()):08x}-{root[:24]};Parent={parent[:16]};Sampled=0"
    return f"{start};Lineage=1:{_hashed(arn)}:0"


def following(header: str, arn: str) -> str:
    """The header of an invocation of the function that one with `header` asked for; "" is from outside."""
    found = _LINEAGE.search(header)
    if found is None or found["function"] != _hashed(arn):
        return first(arn)
    start, end = found.span("count")
    return f"{header[:start]}{int(found['count']) + 1}{header[end:]}"


def count(header: str) -> int:
    """How many of the chain came before it."""
    found = _LINEAGE.search(header)
    return int(found["count"]) if found else 0


def _hashed(arn: str) -> str:
    return hashlib.sha256(arn.encode()).hexdigest()[:8]
