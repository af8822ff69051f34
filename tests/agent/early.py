"""Becomes the agent of an invocation whose time for work is over as soon as a file is there.

The rest, in which a leg is handed over or a run ends, passes slowly: no test waits for a deadline, and none
is too slow for one. `ENDS_WITH` names the file, in the workspace; `REST` is how long the rest is. The exit
code is 1 when it was not enough.
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
    rest: float
    began: float = field(default_factory=time.monotonic)
    jumped: float = 0.0  # when it was there

    def __call__(self) -> float:
        now = time.monotonic()
        if not self.jumped and self.file.exists():
            self.jumped = now
        return self.ends - self.rest + (now - self.jumped) / SLOWER if self.jumped else now

    @property
    def ends(self) -> float:
        return self.began + SECONDS


def main(request_id: str) -> bool:
    """Whether it ended in time."""
    event: Any = json.load(sys.stdin)
    name, rest = os.environ.pop("ENDS_WITH"), float(os.environ.pop("REST", REST))
    early = Clock(Path(os.environ["LAMBDACTL_WORK"], "workspace", name), rest) if name else None
    clock = early or time.monotonic
    outside = Outside(cancelled=signals.listen(), alone=processes.adopt_orphans(), clock=clock)
    print(json.dumps(start(event, request_id, SECONDS, os.environ, outside)), flush=True)
    return not early or early() < early.ends


if __name__ == "__main__":
    in_time = main(sys.argv[sys.argv.index("--request-id") + 1])
    sys.exit(not in_time)
