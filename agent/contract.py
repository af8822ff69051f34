"""What the documents that lambdactl and the agent share have in common. Pure.

definition   the job, as lambdactl resolved it
request      what asks for a run
result       what came of it

Each is a frozen value, with parse and dump. Their JSON Schemas, with examples, are in schemas/. What
lambdactl writes is checked there before it is stored, so parsing here is plain: a wrong document raises
ContractError, never half a value.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Literal

VERSION = 1
DEEPEST = 200  # lists and objects within each other, of what others made

Outcome = Literal[
    "succeeded",
    "failed",
    "timed_out",
    "budget_exceeded",
    "start_timeout",
    "stalled",
    "mcp_unavailable",
    "out_of_memory",
    "cancelled",
    "rejected",
]

INVOCATION_MAX = 900  # seconds, the most that Lambda gives one
# Lambda ends a chain of functions that invoke each other after about 16.
LEGS_MAX = 12


class ContractError(Exception):
    """A document is not what its version says it is."""


def is_shallow(value: Any) -> bool:
    """Whether what masks and encodes it, level by level, gets to its ground."""
    level = [value]
    for _ in range(DEEPEST):
        inner = [each for each in level if isinstance(each, (dict, list))]
        level = [one for each in inner for one in (each.values() if isinstance(each, dict) else each)]
    return not level


def encode(document: Any, indent: int | None = None) -> bytes:
    """JSON in UTF-8; half a surrogate pair, which an event may hold, stays the escape it was."""
    return json.dumps(document, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace")


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    text = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017 - Python 3.10
    return text.replace("+00:00", "Z")


def camel(name: str) -> str:
    """A field's name as documents have it."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
