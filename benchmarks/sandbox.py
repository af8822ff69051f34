"""A function's sandbox, for benchmarks: invokes the agent's handler several times in one process.

    python -m benchmarks.sandbox TIMES FOLDER

Prints a JSON document for each invocation. The job is to write two lines to FOLDER/child: when it was
started and what /proc/PPID/schedstat said then, and when it ended.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path

from agent.handler import handle


class Context:
    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


def cpu() -> int:
    """Nanoseconds of the main thread."""
    return int(Path("/proc/self/schedstat").read_text().split()[0])


def peak() -> int:
    """Bytes, the most that this process ever held."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    child = Path(sys.argv[2], "child")
    for _ in range(int(sys.argv[1])):
        child.unlink(missing_ok=True)
        before, entered = cpu(), time.time()
        answer = handle({"version": 1}, Context())
        returned = time.time()
        (started, spent), (ended, _) = (line.split()[:2] for line in child.read_text().splitlines())
        found = {
            "outcome": answer["outcome"],
            "cpu": (int(spent) - before) / 1e9,
            "wall": float(started) - entered,
            "end": returned - float(ended),
            "memory": peak(),
        }
        print(json.dumps(found), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
