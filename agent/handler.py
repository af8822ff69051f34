"""The door for Lambda: `agent.handler.handle` is the image's command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from agent import memory, processes, signals
from agent.hardening import RUNTIME_API, harden
from agent.run import start
from agent.running import Outside

SCRATCH = Path("/tmp")  # noqa: S108 - Lambda's one writable folder


class Context(Protocol):
    """What we use of awslambdaric's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def handle(event: Any, context: Context) -> dict[str, Any]:
    """Returns the response; raises, which Lambda counts as a function error, when no result was stored."""
    memory.share()
    outside = Outside(
        cancelled=signals.listen(),
        alone=processes.adopt_orphans(),
        hardening=harden(),
        scratch=SCRATCH if _in_a_sandbox(os.environ) else None,
    )
    remaining = context.get_remaining_time_in_millis() / 1000
    return start(event, context.aws_request_id, remaining, os.environ, outside)


def _in_a_sandbox(environment: Mapping[str, str]) -> bool:
    """Whether /tmp is a function's alone: under a Runtime API, in one of our images, never as root."""
    set_elsewhere = {"LAMBDACTL_HOME", "LAMBDACTL_WORK"} & environment.keys()
    return RUNTIME_API in environment and not set_elsewhere and os.geteuid() != 0
