"""A warm sandbox: one process of an unprivileged user that is invoked several times, as Lambda's is.

    python tests/agent/warm.py SCRATCH < events.json > held.json

Like agent.handler, but for the folder that stands for /tmp: a test must not empty the machine's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from agent import processes
from agent.hardening import harden
from agent.run import start
from agent.running import Outside

USER = 993  # Lambda's


def become_unprivileged() -> None:
    """And start anew: a process that changes its user is not dumpable anyway."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
        os.execv(sys.executable, [sys.executable, *sys.argv])


def invoke(event: object, request_id: str) -> dict[str, bool]:
    outside = Outside(
        write=lambda line: print(line, file=sys.stderr, flush=True),
        alone=processes.adopt_orphans(),
        hardening=harden(),
        scratch=Path(sys.argv[1]),
    )
    start(event, request_id, 60, os.environ, outside)
    return dict(outside.hardening)


if __name__ == "__main__":
    become_unprivileged()
    events = json.load(sys.stdin)
    held = [invoke(event, f"request-{number}") for number, event in enumerate(events)]
    print(json.dumps({"hardening": held, "python": os.environ.get("AWS_SECRET_ACCESS_KEY")}))
