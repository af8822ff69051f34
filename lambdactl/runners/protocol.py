"""What every runner takes and gives back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lambdactl.manifest.job import Architecture
from lambdactl.runners.platform import LogFormat

# AWS Lambda quotas, "Invocation payload": synchronous response (6 MB and a little) and request, asynchronous
# request.
RESPONSE_MAX = 6_291_556
REQUEST_MAX = 6_291_456
EVENT_MAX = 1_048_576
LOG_TAIL = 4096  # bytes of log that Invoke with LogType=Tail gives back

RUN_VOLUME = "/mnt/run"

FunctionError = Literal["", "Unhandled"]


@dataclass(frozen=True, slots=True)
class Relay:
    """A way out to a port of this machine: variable `name` becomes "http://<gateway>:<port><path>"."""

    name: str
    target: tuple[str, int]
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function's configuration: what its sandboxes are made of.

    `image` is a reference that the local engine knows; for the process runner, the folder that
    stands for the image's home. `memory` and `ephemeral_storage` are in MB, `timeout` in seconds.
    With `run_volume` there is a volume at /mnt/run.
    """

    image: str
    name: str
    arn: str
    memory: int
    timeout: float
    ephemeral_storage: int
    architecture: Architecture
    environment: Mapping[str, str] = field(repr=False)
    log_format: LogFormat = "Text"
    run_volume: bool = False
    relays: tuple[Relay, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One event. `run_folder`'s content is put to /mnt/run before it; what lies there at its end, however
    it ended, takes its place.

    `arn` is the one that was invoked, qualifier and all; "" is the function's own.
    """

    event: bytes = field(repr=False)
    request_id: str
    run_folder: Path | None = None
    arn: str = ""
    trace_id: str = ""
    client_context: str = ""  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What Lambda's Invoke would have answered. `max_memory_mb` is 0 where it could not be measured."""

    payload: bytes
    function_error: FunctionError = ""
    duration_ms: int = 0
    max_memory_mb: int = 0
    log_tail: bytes = b""
