"""SIGTERM and SIGINT as a wish to end: the run is then cancelled, with everything stored.

Lambda itself sends neither before the deadline; `run-local` sends SIGTERM on Ctrl-C.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def listen() -> Callable[[], bool]:
    """Whether a signal has come since. To be called from the main thread, as Python wants it."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stop.set())
    return stop.is_set
