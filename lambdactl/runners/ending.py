"""How an invocation ended, as Lambda's answer and its last log lines. Knows no container engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdactl.runners import payloads
from lambdactl.runners.log import Log
from lambdactl.runners.platform import End, Report, Status
from lambdactl.runners.protocol import Function, FunctionError, Invocation, Response
from lambdactl.runners.runtime_api import Outcome
from lambdactl.runners.watch import Ending

KILLED = 137  # SIGKILL, as engines report it
# `env`, by which a container begins, when it cannot execute the entry point (GNU's words, or BusyBox's).
NOT_EXECUTED = (126, 127)
NOT_EXECUTED_WORDS = re.compile(
    r"(?:/usr/bin/)?env: (?:can't execute )?['‘](?P<program>.+)['’]: "
    r"(?P<why>No such file or directory|Permission denied|Exec format error)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a container ended. `not_executed` says why its entry point never ran, "" when it did."""

    code: int
    out_of_memory: bool
    not_executed: str = ""

    @classmethod
    def of(cls, state: Mapping[str, Any], *, exceeded: bool, ready: bool, last_line: str) -> Exit:
        """`state` as engines show it; a child that was killed for memory is not the runtime's end.

        `ready`: it has asked for an event. `last_line` is the last that it wrote.
        """
        code = int(state["ExitCode"])
        said = NOT_EXECUTED_WORDS.fullmatch(last_line) if code in NOT_EXECUTED and not ready else None
        return cls(
            code=code,
            out_of_memory=code == KILLED and (exceeded or bool(state.get("OOMKilled"))),
            not_executed=f"fork/exec {said['program']}: {said['why'].lower()}" if said else "",
        )

    @property
    def error_type(self) -> str:
        if self.not_executed:
            return payloads.INVALID_ENTRYPOINT
        return "Runtime.OutOfMemory" if self.out_of_memory else payloads.EXIT_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`duration` and `init` in seconds; `init` is None where Lambda reports no start. `exit` is that of an
    ending "exited"."""

    function: Function
    invocation: Invocation
    ending: Ending
    outcome: Outcome | None
    duration: float
    init: float | None
    exit: Exit | None
    max_memory: int


def answer(ended: Ended, log: Log) -> Response:
    """What Lambda answers and logs at such an end."""
    payload, error, status, error_type = _payload(ended)
    if ended.outcome is None:
        for line in payloads.logged(payload, status == "timeout"):
            log.line(line)
    log.platform(End(ended.invocation.request_id, status, error_type))
    report = Report(
        request_id=ended.invocation.request_id,
        duration=ended.duration,
        memory=ended.function.memory,
        max_memory=ended.max_memory,
        init=ended.init,
        status=status,
        error_type=error_type,
    )
    log.platform(report)
    return Response(
        payload=payload,
        function_error=error,
        duration_ms=round(ended.duration * 1000),
        max_memory_mb=ended.max_memory,
        log_tail=log.tail(),
    )


def _payload(ended: Ended) -> tuple[bytes, FunctionError, Status, str]:
    """Payload, function error, and the REPORT line's status and error type."""
    request_id = ended.invocation.request_id
    if outcome := ended.outcome:
        if outcome.kind == "too_large":
            return payloads.response_too_large(), "Unhandled", "error", "Function.ResponseSizeTooLarge"
        if outcome.kind == "init_error":
            return outcome.body, "Unhandled", "error", outcome.error_type
        return outcome.body, "" if outcome.kind == "response" else "Unhandled", "", ""
    if ended.ending == "timed_out":
        return payloads.timed_out(request_id, ended.function.timeout), "Unhandled", "timeout", ""
    if not ended.exit:
        return payloads.exited(request_id, -9), "Unhandled", "error", payloads.EXIT_ERROR
    if why := ended.exit.not_executed:
        payload = payloads.not_executed(request_id, why)
    else:
        payload = payloads.exited(request_id, ended.exit.code)
    return payload, "Unhandled", "error", ended.exit.error_type
