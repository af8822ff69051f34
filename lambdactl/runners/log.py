"""A run's log: the container's lines and Lambda's own around them, passed on as they come. Keeps the tail."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal

from lambdactl.runners.protocol import LOG_TAIL

Phase = Literal["init", "invoke"]
Status = Literal["", "timeout", "error"]

LINE_MAX = 1 << 18  # bytes: a longer line comes in parts (as CloudWatch's 256 KB do)


class Log:
    """Lines may come from several threads; `on_line` gets them one at a time."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line, self._lock = on_line, threading.Lock()
        self._tail = b""

    def line(self, text: str) -> None:
        with self._lock:
            self._tail = (self._tail + text.encode(errors="replace") + b"\n")[-LOG_TAIL:]
            self._on_line(text)

    def copy(self, stream: IO[bytes]) -> None:
        """Until the stream ends. awslambdaric joins the lines of one error by carriage returns."""
        while raw := stream.readline(LINE_MAX):
            for part in raw.rstrip(b"\r\n").split(b"\r"):
                self.line(part.decode(errors="replace"))

    def restart(self) -> None:
        """The tail is that of one invocation."""
        with self._lock:
            self._tail = b""

    def tail(self) -> bytes:
        with self._lock:
            return self._tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What Lambda's REPORT line says. `status` is "", "timeout" or "error"; times in seconds."""

    request_id: str
    duration: float
    memory: int
    max_memory: int
    init: float | None = None
    status: Status = ""
    error_type: str = ""

    def __str__(self) -> str:
        milliseconds = self.duration * 1000
        billed = math.ceil(milliseconds + (self.init or 0) * 1000)
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {billed} ms",
            f"Memory Size: {self.memory} MB",
        ]
        fields += [f"Max Memory Used: {self.max_memory} MB"] if self.max_memory else []
        fields += [f"Init Duration: {self.init * 1000:.2f} ms"] if self.init is not None else []
        fields += [f"Status: {self.status}"] if self.status else []
        fields += [f"Error Type: {self.error_type}"] if self.error_type else []
        return "\t".join(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReport:
    """A start that failed, in its own time or with its event."""

    duration: float
    phase: Phase
    status: Status
    error_type: str = ""

    def __str__(self) -> str:
        fields = [f"INIT_REPORT Init Duration: {self.duration * 1000:.2f} ms", f"Phase: {self.phase}"]
        fields += [f"Status: {self.status}"]
        fields += [f"Error Type: {self.error_type}"] if self.error_type else []
        return "\t".join(fields)
