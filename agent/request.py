"""What asks for a run: an event, whatever it is, and the run's id. Pure; schemas/request.schema.json."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.contract import DEEPEST, LEGS_MAX, VERSION, ContractError, is_shallow, timestamp
from agent.definition import Definition

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One run asked for. `input` has a value only when `has_input`: null is an input too.

    A `leg` over 1 is not a new run: it goes on from the checkpoint whose record has that SHA-256.
    """

    run_id: str
    request_id: str
    input: Any = None
    has_input: bool = False
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)  # tells two from each other
    leg: int = 1
    checkpoint: str = ""

    @classmethod
    def of_event(cls, event: Any, request_id: str) -> Request:
        """An event that is not one of ours becomes the input whole, as S3's and EventBridge's do.

        A run id that is no UUID makes the event not ours: the id becomes part of a key.
        """
        if not is_shallow(event):
            raise ContractError(f"the event is too deep: over {DEEPEST} lists and objects within each other")
        run_id = _derived(request_id)
        if _next_leg(event):
            return cls(
                run_id=event["runId"],
                request_id=request_id,
                leg=event["leg"],
                checkpoint=event["checkpoint"],
            )
        if not _ours(event):
            return cls(run_id=run_id, request_id=request_id, input=event, has_input=True)
        return cls(
            run_id=event.get("runId") or _of_schedule(event.get("scheduled", "")) or run_id,
            request_id=request_id,
            input=event.get("input"),
            has_input="input" in event,
        )

    def record(self, definition: Definition, started: datetime) -> dict[str, Any]:
        """request.json: what was asked and when it began; the input lies beside it."""
        return {
            "version": VERSION,
            "runId": self.run_id,
            "requestId": self.request_id,
            "attempt": self.attempt,
            "job": definition.job,
            "project": definition.project,
            "environment": definition.environment,
            "definition": definition.sha256,
            "startedAt": timestamp(started),
            "hasInput": self.has_input,
        }


def _ours(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and event.get("version") == VERSION
        and not isinstance(event["version"], bool)
        and event.keys() <= {"version", "runId", "scheduled", "input"}
        and isinstance(event.get("scheduled", ""), str)
        and _RUN_ID.fullmatch(str(event.get("runId", uuid.UUID(int=0)))) is not None
    )


def _of_schedule(scheduled: str) -> str:
    """A UUIDv7 of the schedule's ARN and the time it meant: the same however often it is delivered."""
    try:
        meant = datetime.strptime(scheduled.rpartition(" ")[2], "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return ""
    value = int(meant.timestamp() * 1000) << 80
    value |= int.from_bytes(
        hashlib.sha256(scheduled.encode("utf-8", "backslashreplace")).digest()[:10], "big"
    )
    return str(uuid.UUID(int=value & ~(0xF << 76 | 3 << 62) | 7 << 76 | 2 << 62))


def _next_leg(event: Any) -> bool:
    """Whether it is what a supervisor sends to itself, to the letter."""
    return (
        isinstance(event, dict)
        and event.keys() == {"version", "runId", "leg", "checkpoint"}
        and [type(event[name]) for name in ("version", "leg")] == [int, int]
        and event["version"] == VERSION
        and 2 <= event["leg"] <= LEGS_MAX
        and _RUN_ID.fullmatch(str(event["runId"])) is not None
        and _SHA256.fullmatch(str(event["checkpoint"])) is not None
    )


def leg_event(run_id: str, leg: int, checkpoint: str) -> dict[str, Any]:
    """What starts the next leg of a run."""
    return {"version": VERSION, "runId": run_id, "leg": leg, "checkpoint": checkpoint}


def _derived(request_id: str) -> str:
    """Lambda's request id is a UUID and the same on its retries; anything else is hashed to one."""
    if _RUN_ID.fullmatch(request_id.lower()):
        return request_id.lower()
    return str(uuid.uuid5(uuid.NAMESPACE_OID, request_id))


def rejected(request: Request, reason: str) -> dict[str, Any]:
    """What is answered to an event that asks for nothing that can be done."""
    return {"version": VERSION, "runId": request.run_id, "outcome": "rejected", "reason": reason}
