"""Ctrl-C, SIGTERM, a closed terminal: the first asks to stop, the second is harsh."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def ending() -> list[signal.Signals]:
    """That ask a process to end; a closed terminal's only where it is not ignored, as `nohup` has it."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGHUP]


@contextmanager
def stopping(message: str) -> Iterator[threading.Event]:
    """An event that the first signal sets, saying `message`; the second raises KeyboardInterrupt."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # Not through a stream: the signal may have come in the middle of a write to it.
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), f"\n{message}\n".encode())

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, *ending())}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
