"""What a run is: its id, the event that starts it, and what its result says. Pure; a job writes results."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lambdactl.errors import UsageError

LARGEST = 16 << 20  # bytes of a result.json that are read
DEEPEST = 200  # lists and objects within each other that the supervisor takes (agent.contract)
# What is shown of a result, and its type: the rest may be anything.
_SHOWN: Mapping[str, Any] = {
    "outcome": str,
    "reason": str,
    "costUsd": int | float | None,
    "turns": int | None,
    "usage": dict | None,
    "agent": dict | None,
    "notes": list | None,
    "output": str | None,
    "memoryPeakMb": int | None,
    "hardening": dict | None,
    "legs": list | None,
}
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What there is of a run without a result; `last` is when the newest of it came."""

    files: int
    size: int  # bytes
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`state` is result.json's outcome, or "running", "queued" (nothing written yet), "lost",
    "unreadable": a job may write into its run folders what it likes, so a result is not believed."""

    id: str
    job: str
    folder: str  # s3://bucket/prefix/run-id/ or a local path
    state: str
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    cost_usd: float | None = None
    saved: Saved | None = None  # of a lost run
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended_well(self) -> bool:
        return self.state == "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a job's runs lie. `timeout` is the job's, `invocation` that of one of its `legs`; in seconds."""

    job: str
    prefix: str
    timeout: int
    legs: int = 1
    invocation: int = 900
    max_event_age: int = 21600


def new_run_id(now: Callable[[], float] = time.time) -> str:
    """A UUIDv7 (RFC 9562): sorts by the time it was made."""
    value = (int(now() * 1000) << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | (7 << 76)
    value = value & ~(0x3 << 62) | (2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_run_id(text: str) -> bool:
    return _RUN_ID.fullmatch(text) is not None


def event(run_id: str, input_: Any = None) -> bytes:
    """The event that starts a run."""
    document = {"version": 1, "runId": run_id} | ({} if input_ is None else {"input": input_})
    if not _is_shallow(document):
        raise UsageError(f"the input has over {DEEPEST - 2} lists and objects within each other")
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:  # also half a surrogate pair
        raise UsageError("the input cannot be sent as JSON", why=str(error)) from None


def _is_shallow(document: Any) -> bool:
    level = [document]
    for _ in range(DEEPEST):
        inner = [each for each in level if isinstance(each, Mapping | list | tuple)]
        level = [one for each in inner for one in (each.values() if isinstance(each, Mapping) else each)]
    return not level


def read_result(content: bytes, run: Run) -> Run:
    """`run` as its result.json tells it; whose run it is, the folder has told."""
    try:
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        result = json.loads(content, parse_constant=_no_number)
        if not isinstance(result, dict):
            raise TypeError("it is no object")
        float(result.get("costUsd") or 0)  # an int may be beyond all floats
        return replace(ended(result, run.folder), id=run.id, job=run.job)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        why = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        return replace(run, reason=f"its result.json is not one of ours: {why}")


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON's")


def ended(result: Mapping[str, Any], folder: str) -> Run:
    """A run as its result.json tells it. Raises ValueError, TypeError or KeyError for what is none."""
    for name, wanted in _SHOWN.items():
        if not isinstance(result.get(name), wanted):
            raise TypeError(f"{name} is of a wrong kind")
    if not all(isinstance(count, int | float) for count in (result.get("usage") or {}).values()):
        raise TypeError("usage is not in numbers")
    return Run(
        id=result["runId"],
        job=result["job"],
        folder=folder,
        state=result["outcome"],
        reason=result.get("reason", ""),
        started=datetime.fromisoformat(result["startedAt"]).astimezone(UTC),
        ended=datetime.fromisoformat(result["endedAt"]).astimezone(UTC),
        cost_usd=result.get("costUsd"),
        result=result,
    )


def when_lost(saved: Saved) -> str:
    """When the last of it came is when it was lost, or little before."""
    files = "1 file" if saved.files == 1 else f"{saved.files:,} files"
    return f"lost at {saved.last:%Y-%m-%d %H:%M:%S} UTC, saved: {files}, {saved.size:,} bytes"
