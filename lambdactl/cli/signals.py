"""Ctrl-C and SIGTERM: the first asks to stop, the second is harsh."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopping(message: str) -> Iterator[threading.Event]:
    """An event that the first signal sets, saying `message`; the second raises KeyboardInterrupt."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # Not through a stream: the signal may have come in the middle of a write to it.
        os.write(sys.stderr.fileno(), f"\n{message}\n".encode())

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
