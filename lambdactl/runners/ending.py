"""How a sandbox ended, as Lambda's answer and its last log lines. Knows no container engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdactl.runners import payloads
from lambdactl.runners.log import Log, Report
from lambdactl.runners.protocol import FunctionError, Invocation, Response
from lambdactl.runners.runtime_api import RuntimeApi
from lambdactl.runners.watch import Ending


@dataclass(frozen=True, slots=True)
class Ended:
    invocation: Invocation
    api: RuntimeApi
    ending: Ending
    started: float
    at: float
    state: Mapping[str, Any]
    max_memory: int


def answer(ended: Ended, log: Log) -> Response:
    """What Lambda answers and logs at such an end."""
    invocation, api = ended.invocation, ended.api
    payload, error, status, error_type = _payload(ended)
    begun = api.dispatched_at
    duration = max(0.0, (api.answered_at or ended.at) - (begun if begun is not None else ended.started))
    if begun is None:
        log.line(f"START RequestId: {invocation.request_id} Version: $LATEST")
    log.line(f"END RequestId: {invocation.request_id}")
    report = Report(
        request_id=invocation.request_id,
        duration=duration,
        memory=invocation.memory,
        max_memory=ended.max_memory,
        init=api.ready_at - ended.started if api.ready_at is not None else None,
        status=status,
        error_type=error_type,
    )
    log.line(str(report))
    return Response(
        payload=payload,
        function_error=error,
        duration_ms=round(duration * 1000),
        max_memory_mb=ended.max_memory,
        log_tail=log.tail(),
    )


def _payload(ended: Ended) -> tuple[bytes, FunctionError, str, str]:
    """Payload, function error, and the REPORT line's status and error type."""
    request_id = ended.invocation.request_id
    outcome = ended.api.outcome
    if outcome:
        if outcome.kind == "too_large":
            return payloads.response_too_large(), "Unhandled", "error", "Function.ResponseSizeTooLarge"
        return outcome.body, "" if outcome.kind == "response" else "Unhandled", "", ""
    if ended.ending == "timed_out":
        return payloads.timed_out(request_id, ended.invocation.timeout), "Unhandled", "timeout", ""
    if ended.ending == "stopped":
        return payloads.exited(request_id, -9), "Unhandled", "error", "Runtime.ExitError"
    error_type = "Runtime.OutOfMemory" if ended.state.get("OOMKilled") else "Runtime.ExitError"
    return payloads.exited(request_id, int(ended.state["ExitCode"])), "Unhandled", "error", error_type
