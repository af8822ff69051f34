"""MCP servers as an agent CLI is to start them. Pure.

A server's standard error goes to a file of its own, by way of a shell: neither CLI keeps it whole.
Claude Code hands its own environment on to its servers, whatever they are configured with: what the
manifest gives to the agent is taken out of theirs again, by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agent.clis import Assignment
from agent.definition import McpServer
from agent.harvest import file_name
from agent.processes import MARK

_REDIRECT = 'log=$1; shift; exec "$@" 2>>"$log"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    command: str
    args: tuple[str, ...]
    env: dict[str, str] = field(repr=False)


def start(server: McpServer, assignment: Assignment) -> Start:
    """How to start a stdio server: its own environment, what every process gets, and no more."""
    agents_own = sorted(assignment.agent_env.keys() - assignment.env.keys() - server.env.keys())
    without = ("env", *(word for name in agents_own for word in ("-u", name))) if agents_own else ()
    argv = (*without, program(server.command, assignment.home), *server.args)
    return Start(
        command="/bin/sh",
        args=("-c", _REDIRECT, "mcp", str(log(server.name, assignment)), *argv),
        env={**assignment.env, **server.env, MARK: assignment.env[MARK]},
    )


def program(command: str, home: Path) -> str:
    """A path that is not absolute lies in the image's home; a bare name is looked up on PATH."""
    return str(home / command) if "/" in command and not command.startswith("/") else command


def log(server: str, assignment: Assignment) -> Path:
    return assignment.layout.logs / f"{file_name(server)}.log"
