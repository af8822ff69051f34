"""A run's log: the container's lines and Lambda's own around them, passed on as they come. Keeps the tail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import IO

from lambdactl.runners import platform
from lambdactl.runners.platform import LogFormat
from lambdactl.runners.protocol import LOG_TAIL

LINE_MAX = 1 << 18  # bytes: a longer line comes in parts (as CloudWatch's 256 KB do)


class Log:
    """Lines may come from several threads; `on_line` gets them one at a time."""

    def __init__(self, on_line: Callable[[str], None], log_format: LogFormat = "Text") -> None:
        self._on_line, self._lock = on_line, threading.Lock()
        self._format: LogFormat = log_format
        self._tail = b""

    def line(self, text: str) -> None:
        with self._lock:
            self._tail = (self._tail + text.encode(errors="replace") + b"\n")[-LOG_TAIL:]
            self._on_line(text)

    def platform(self, line: platform.Line) -> None:
        """One of Lambda's own."""
        self.line(platform.written(line, self._format))

    def copy(self, stream: IO[bytes]) -> str:
        """Until the stream ends; its last line. awslambdaric joins those of one error by carriage returns."""
        last = ""
        while raw := stream.readline(LINE_MAX):
            for part in raw.rstrip(b"\r\n").split(b"\r"):
                last = part.decode(errors="replace")
                self.line(last)
        return last

    def restart(self) -> None:
        """The tail is that of one invocation."""
        with self._lock:
            self._tail = b""

    def tail(self) -> bytes:
        with self._lock:
            return self._tail
