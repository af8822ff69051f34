"""Becomes the agent of an invocation whose time for work is over as soon as a file is there.

The rest, in which a leg is handed over, passes slowly: no test waits for a deadline, and none is too slow
for one. `ENDS_WITH` names the file, in the workspace.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import processes, signals
from agent.run import start
from agent.running import Outside

SECONDS = 400.0  # less than a watchdog waits for a word
REST = 7.0  # seconds; a little less than is kept for the handover
SLOWER = 8.0  # times


@dataclass(slots=True)
class Clock:
    file: Path
    began: float = field(default_factory=time.monotonic)
    jumped: float = 0.0  # when it was there

    def __call__(self) -> float:
        now = time.monotonic()
        if not self.jumped and self.file.exists():
            self.jumped = now
        return self.began + SECONDS - REST + (now - self.jumped) / SLOWER if self.jumped else now


def main(request_id: str) -> None:
    event: Any = json.load(sys.stdin)
    name = os.environ.pop("ENDS_WITH")
    clock = Clock(Path(os.environ["LAMBDACTL_WORK"], "workspace", name)) if name else time.monotonic
    outside = Outside(cancelled=signals.listen(), alone=processes.adopt_orphans(), clock=clock)
    print(json.dumps(start(event, request_id, SECONDS, os.environ, outside)), flush=True)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--request-id") + 1])
