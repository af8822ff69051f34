"""The door for Lambda: `agent.handler.handle` is the image's command."""

from __future__ import annotations

import os
from typing import Any, Protocol

from agent import processes, signals
from agent.run import start
from agent.running import Outside


class Context(Protocol):
    """What we use of awslambdaric's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def handle(event: Any, context: Context) -> dict[str, Any]:
    """Returns the response; raises, which Lambda counts as a function error, when no result was stored."""
    alone = processes.adopt_orphans()
    processes.hide_memory()
    outside = Outside(cancelled=signals.listen(), alone=alone)
    remaining = context.get_remaining_time_in_millis() / 1000
    return start(event, context.aws_request_id, remaining, os.environ, outside)
