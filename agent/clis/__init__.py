"""The agent types, one file each, behind one protocol. Adding a type is adding a file and a line here.

An adapter is pure: it says what to start and what its output means. It starts nothing itself, and it
knows nothing of AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.child import Stop
from agent.definition import Definition, McpServer
from agent.events import Event
from agent.layout import Layout
from agent.watchdog import Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """The session of an earlier leg, whose files are in their places, and what to tell the agent.

    `turns` are those that it took so far.
    """

    session_id: str
    prompt: str
    turns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What an adapter has to work with: everything resolved, every secret filled in where it was named.

    `env` is what every process of the run gets, `agent_env` what the manifest adds for the agent.
    `seconds` is how long the run may work.
    """

    run_id: str
    definition: Definition
    layout: Layout
    home: Path  # of the image
    env: Mapping[str, str] = field(repr=False)
    agent_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    servers: tuple[McpServer, ...] = field(default=(), repr=False)
    model_key: str = field(default="", repr=False)
    base_url: str = ""
    provider: str = ""  # as the CLI is to speak with it
    seconds: int = 600
    resume: Resume | None = None
    root: bool = False  # we are user 0, as in a container somebody starts by hand

    @property
    def prompt(self) -> str:
        return self.resume.prompt if self.resume else self.definition.agent.prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start. `files` are written first, readable by us only; `read_once` are those of them that
    hold secrets and are not needed any more when the CLI is up. `piped` are secrets to be read from a
    descriptor, whose number is put into the variable of that name."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    files: Mapping[Path, str] = field(default_factory=dict, repr=False)
    read_once: tuple[Path, ...] = ()
    stdin: Path | None = None
    piped: Mapping[str, str] = field(default_factory=dict, repr=False)


class Cli(Protocol):
    """One run of one agent type."""

    @property
    def stops(self) -> tuple[Stop, ...]:
        """The signals it understands, politest first."""

    @property
    def speaks(self) -> bool:
        """Whether its standard output is events, with a last word among them."""

    @property
    def silence(self) -> Silence | None:
        """How long it may be silent, when it speaks."""

    @property
    def adds_up(self) -> bool:
        """Whether the usage it tells is of the whole session, a resumed one's earlier part included."""

    def launch(self) -> Launch:
        """What to start."""

    def parse(self, line: bytes) -> Iterable[Event]:
        """What one line of its standard output means."""

    def diagnose(self, stderr: str) -> Iterable[Event]:
        """What its standard error means (of a long one, beginning and end), once it has ended."""

    def session_files(self) -> Iterable[tuple[Path, str]]:
        """(folder, pattern) of its own transcripts."""


def find(type_: str) -> Callable[[Assignment], Cli]:
    """The adapter of an agent type; KeyError for an unknown one."""
    from agent.clis.claude_code import ClaudeCode
    from agent.clis.codex import Codex
    from agent.clis.command import ShellCommand

    types: Mapping[str, Callable[[Assignment], Cli]] = {
        "claude-code": ClaudeCode,
        "codex": Codex,
        "command": ShellCommand,
    }
    return types[type_]
