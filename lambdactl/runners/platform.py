"""The lines that Lambda itself writes around a function's own, as text or as JSON. Pure.

Text as recorded on AWS (LocalStack's snapshots, November 2024) and reported (aws-lambda-go#554,
datadog-lambda-extension#1237); JSON by the schema of AWS's Telemetry API, "platform" events. Which of
them a log in JSON has, was not seen on AWS.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

LogFormat = Literal["Text", "JSON"]
Phase = Literal["init", "invoke"]
Status = Literal["", "timeout", "error"]


class Line(Protocol):
    """One event of the platform, in both spellings."""

    type: str

    def __str__(self) -> str: ...

    def record(self) -> dict[str, Any]: ...


def written(line: Line, log_format: LogFormat, now: datetime | None = None) -> str:
    if log_format == "Text":
        return str(line)
    time = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return json.dumps({"time": time, "type": line.type, "record": line.record()}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Start:
    request_id: str
    type = "platform.start"

    def __str__(self) -> str:
        return f"START RequestId: {self.request_id} Version: $LATEST"

    def record(self) -> dict[str, Any]:
        return {"requestId": self.request_id, "version": "$LATEST"}


@dataclass(frozen=True, slots=True)
class End:
    request_id: str
    status: Status = ""
    error_type: str = ""
    type = "platform.runtimeDone"

    def __str__(self) -> str:
        return f"END RequestId: {self.request_id}"

    def record(self) -> dict[str, Any]:
        return {"requestId": self.request_id, **_status(self.status, self.error_type)}


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReport:
    """A start that failed, in its own time or with its event. Times in seconds."""

    duration: float
    phase: Phase
    status: Status
    error_type: str = ""
    type = "platform.initReport"

    def __str__(self) -> str:
        fields = [f"INIT_REPORT Init Duration: {self.duration * 1000:.2f} ms", f"Phase: {self.phase}"]
        fields += [f"Status: {self.status}"]
        fields += [f"Error Type: {self.error_type}"] if self.error_type else []
        return "\t".join(fields)

    def record(self) -> dict[str, Any]:
        return {
            "initializationType": "on-demand",
            "phase": self.phase,
            **_status(self.status, self.error_type),
            "metrics": {"durationMs": round(self.duration * 1000, 3)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Times in seconds, sizes in MB; `init` is None where Lambda reports no start."""

    request_id: str
    duration: float
    memory: int
    max_memory: int
    init: float | None = None
    status: Status = ""
    error_type: str = ""
    type = "platform.report"

    @property
    def billed(self) -> int:
        """In milliseconds."""
        return math.ceil((self.duration + (self.init or 0)) * 1000)

    def __str__(self) -> str:
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.duration * 1000:.2f} ms",
            f"Billed Duration: {self.billed} ms",
            f"Memory Size: {self.memory} MB",
        ]
        fields += [f"Max Memory Used: {self.max_memory} MB"] if self.max_memory else []
        fields += [f"Init Duration: {self.init * 1000:.2f} ms"] if self.init is not None else []
        fields += [f"Status: {self.status}"] if self.status else []
        fields += [f"Error Type: {self.error_type}"] if self.error_type else []
        return "\t".join(fields)

    def record(self) -> dict[str, Any]:
        metrics = {
            "durationMs": round(self.duration * 1000, 3),
            "billedDurationMs": self.billed,
            "memorySizeMB": self.memory,
            **({"maxMemoryUsedMB": self.max_memory} if self.max_memory else {}),
            **({"initDurationMs": round(self.init * 1000, 3)} if self.init is not None else {}),
        }
        status = _status(self.status, self.error_type)
        return {"requestId": self.request_id, "metrics": metrics, **status}


def _status(status: Status, error_type: str) -> dict[str, str]:
    return {"status": status or "success", **({"errorType": error_type} if error_type else {})}
