"""The agent's shell door with a clock that runs a hundred times as fast once a file is there.

    python -m tests.agent.hurried FILE < event.json

What a watchdog waits for takes minutes; a test has seconds. Until the file is there, time is ours.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from agent import processes
from agent.run import start
from agent.running import Outside

FAST = 100.0
SECONDS = 3600.0  # that the invocation may take: the deadline is not what is tried


class Clock:
    def __init__(self, ready: Path) -> None:
        self._ready, self._from = ready, 0.0

    def __call__(self) -> float:
        now = time.monotonic()
        if not self._from and self._ready.exists():
            self._from = now
        return now + (now - self._from) * (FAST - 1) if self._from else now


if __name__ == "__main__":
    outside = Outside(clock=Clock(Path(sys.argv[1])), alone=processes.adopt_orphans())
    print(json.dumps(start(json.load(sys.stdin), "request-1", SECONDS, os.environ, outside)))
