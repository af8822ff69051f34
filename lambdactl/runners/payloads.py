"""The payloads that Lambda makes up itself when a function gives none. Pure.

Recorded from AWS, November 2024 and 2025 (LocalStack's snapshots of its Lambda tests).
"""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime

from lambdactl.runners.protocol import RESPONSE_MAX

EXIT_ERROR = "Runtime.ExitError"
INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint"
SIGNALLED = 128  # engines and shells report "killed by signal n" as 128 + n


def timed_out(request_id: str, seconds: float) -> bytes:
    return _error(
        "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    )


def exited(request_id: str, code: int) -> bytes:
    """The runtime ended without an answer. A negative `code` is a signal, as subprocess has it."""
    return _error(EXIT_ERROR, f"RequestId: {request_id} Error: {_exit_text(code)}")


def not_executed(request_id: str, why: str) -> bytes:
    """The image's entry point never ran (aws-lambda-ruby-runtime-interface-client#13)."""
    return _error(INVALID_ENTRYPOINT, f"RequestId: {request_id} Error: {why}")


def response_too_large() -> bytes:
    return _error(
        "Function.ResponseSizeTooLarge",
        f"Response payload size exceeded maximum allowed payload size ({RESPONSE_MAX} bytes).",
    )


def logged(payload: bytes, timed_out: bool, now: datetime | None = None) -> list[str]:
    """The lines of the log that tell of such a payload (aws-lambda-go#554; a time-out's since 2023)."""
    error = json.loads(payload)
    if not timed_out:
        return [error["errorMessage"], error["errorType"]]
    request_id, _, text = error["errorMessage"].removeprefix("RequestId: ").partition(" Error: ")
    return [f"{(now or datetime.now(UTC)).strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3]}Z {request_id} {text}"]


def _exit_text(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    number = -code if code < 0 else code - SIGNALLED
    if number in set(signal.Signals):
        return f"Runtime exited with error: signal: {(signal.strsignal(number) or str(number)).lower()}"
    return f"Runtime exited with error: exit status {code}"


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()
