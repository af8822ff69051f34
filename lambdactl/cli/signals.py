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


class Stop(threading.Event):
    """What the first signal sets. `message` is what it says then."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self.message = message


@contextmanager
def stopping(message: str) -> Iterator[Stop]:
    """A Stop that the first signal sets; the second raises KeyboardInterrupt."""
    stop = Stop(message)

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # Not through a stream: the signal may have come in the middle of a write to it.
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), f"\n{stop.message}".rstrip("\n").encode() + b"\n")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, *ending())}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
