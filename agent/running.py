"""What is known of a run while it goes on: what was asked, what it may use, how it went so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import invoke, secrets
from agent.clis import Cli
from agent.deadline import Deadline
from agent.definition import Definition
from agent.layout import Layout
from agent.leg import Leg
from agent.listener import Listener
from agent.mirror import Mirror
from agent.outcome import Verdict
from agent.request import Request
from agent.settings import Settings
from agent.supervise import Ending

if TYPE_CHECKING:  # a job without a model does without its modules
    from agent.proxy.meter import Meter


def _print(line: str) -> None:
    print(line, flush=True)


def _now() -> datetime:
    return datetime.now(timezone.utc)  # noqa: UP017 - Python 3.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The effects a run has besides its processes, files and store.

    `alone`: this process has no children but the run's, so every one of them may be killed.
    `sole`: its user has no processes but it and the run's, so every one of those may be.
    `scratch`: a folder for nobody but the runs, to be emptied: /tmp in a sandbox of Lambda's.
    """

    now: Callable[[], datetime] = _now
    clock: Callable[[], float] = time.monotonic
    write: Callable[[str], None] = _print
    get_parameters: secrets.GetParameters = secrets.from_ssm
    invoke: invoke.Invoke = invoke.itself
    cancelled: Callable[[], bool] = lambda: False
    alone: bool = False
    sole: bool = False
    hardening: Mapping[str, bool] = field(default_factory=dict)  # what the door has done: agent.hardening
    scratch: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    request: Request
    definition: Definition
    settings: Settings
    deadline: Deadline
    leg: Leg = field(default_factory=Leg)

    @property
    def layout(self) -> Layout:
        return Layout(self.settings.work)

    @property
    def folder(self) -> str:
        """Where in the run's folder this leg's own files lie: "" for a run that is one invocation."""
        return f"legs/{self.leg.number}/" if self.definition.legs > 1 else ""

    @property
    def mark(self) -> str:
        return f"{self.place}{self.request.run_id}"

    @property
    def wants_aws(self) -> bool:
        """Whether the agent, or a server of its, is to have the function's credentials."""
        return self.definition.agent.aws or any(server.aws for server in self.definition.mcp_servers)

    @property
    def place(self) -> str:
        """The beginning of every mark of runs in this work folder."""
        return f"{self.settings.work}:"


@dataclass(slots=True, kw_only=True)
class Account:
    """What is known of a run so far; each chapter adds to it."""

    verdict: Verdict = field(
        default_factory=lambda: Verdict(outcome="failed", reason="the run did not begin")
    )
    began: datetime | None = None
    cli: Cli | None = None
    listener: Listener | None = None
    ending: Ending | None = None
    meter: Meter | None = None  # what the model cost, where our proxy counted
    worked: float = 0.0  # seconds, of the agent
    stdout: Path | None = None  # what the agent wrote, from where it began
    stderr: Path | None = None
    mirror: Mirror | None = None
    unstored: list[str] = field(default_factory=list)  # what the store did not take, for good
    structured: Any = None  # structured output that fits its schema
    notes: list[str] = field(default_factory=list)
    hardening: dict[str, bool] = field(default_factory=dict)
