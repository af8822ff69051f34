"""How long an agent that speaks may be silent, and whether it has been for too long. Pure.

A CLI that hangs writes nothing; one that works writes at least when a tool or the model has answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MCP_START = 30  # seconds for an MCP server to answer; the CLIs wait for it before their first word
START = MCP_START + 90.0  # seconds; Lambda loads a CLI of 245 MB from the image as it is read
TOOL_MOST = 600  # seconds; Claude Code's own bound for a shell command
ANSWER = 120.0  # seconds for the model's answer after a tool's: it is written when it is whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Seconds without a byte of standard output that an agent may take: before its first one, and after."""

    start: float = START
    between: float


def tool_limit(seconds: int) -> int:
    """Seconds that one tool call may take in a run of `seconds`: half of it, ten minutes at most.

    A call that hangs is then told to the model while there is time to do something about it.
    """
    return max(1, min(TOOL_MOST, seconds // 2))


class Watchdog:
    """Hears of every output. Times are seconds of one clock."""

    def __init__(self, allowed: Silence | None, now: float) -> None:
        self._allowed = allowed
        self._heard_at = now
        self._spoke = False

    def heard(self, now: float) -> None:
        self._heard_at, self._spoke = now, True

    def silent(self, now: float) -> float:
        return now - self._heard_at

    def bites(self, now: float) -> Literal["", "start_timeout", "stalled"]:
        if self._allowed is None:
            return ""
        if self._spoke:
            return "stalled" if self.silent(now) > self._allowed.between else ""
        return "start_timeout" if self.silent(now) > self._allowed.start else ""
