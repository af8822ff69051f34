"""Agent type `command`: any program; its exit code is its last word. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from agent.child import Stop
from agent.clis import Assignment, Launch
from agent.events import Event, Said


class ShellCommand:
    speaks = False
    silence = None  # a program may work for long without a word
    adds_up = False
    # To its whole group: a shell script's children are to hear of it too.
    stops = (Stop(signal=signal.SIGTERM, seconds=5, group=True),)

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment

    def launch(self) -> Launch:
        assignment = self._assignment
        return Launch(
            argv=assignment.definition.agent.command, env={**assignment.env, **assignment.agent_env}
        )

    def parse(self, line: bytes) -> Iterable[Event]:
        return (Said(text=line.decode("utf-8", "replace")),)

    def diagnose(self, stderr: str) -> Iterable[Event]:
        return ()

    def session_files(self) -> Iterable[tuple[Path, str]]:
        return ()
