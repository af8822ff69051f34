"""What an agent CLI's output means, the same for all agent types. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from agent.contract import Outcome
from agent.result import ServerStatus, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The CLI is up. `servers` are the MCP servers it speaks of."""

    session_id: str | None = None
    servers: tuple[ServerStatus, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)  # of servers that are not connected


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    tool: str
    arguments: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Worth a line in the log: a retry, a warning."""

    message: str
    level: Literal["info", "warning", "error"] = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The CLI's own word on how it went; `output` is its final text."""

    outcome: Outcome
    reason: str = ""
    output: str = ""
    structured: Any = None  # what the CLI hands over as structured output; None for none
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    turns: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The model was asked once more; `turn`: by the agent itself, not by one of its subagents."""

    usage: Usage
    turn: bool = True


Event = Union[Asked, Began, Said, Called, Returned, Noticed, Ended]  # noqa: UP007 - Python 3.10 at run time
