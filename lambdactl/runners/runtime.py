"""One runtime: a container of a sandbox from its start to its end. Knows no Lambda."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners.ending import Exit
from lambdactl.runners.log import Log
from lambdactl.runners.memory import Memory
from lambdactl.runners.owner import PATIENCE, remove, run
from lambdactl.runners.runtime_api import RuntimeApi

FLUSH = 10.0  # seconds for the last lines of a container that has ended
KILL_EVERY = 0.5


class Runtime:
    """Started as it is made, with all its output in `log`. `ended` and `api.changed` are set when it ends.

    `memory` is the function's, in MB.
    """

    def __init__(self, engine: Engine, name: str, api: RuntimeApi, memory: int, log: Log) -> None:
        self.name, self.api = name, api
        self.ended = threading.Event()
        self.started = time.monotonic()
        self._engine, self._frozen, self._last_line = engine, False, ""
        self._memory = Memory(engine, name, memory)
        self._client = engine.spawn(
            "start",
            "--attach",
            name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._copy, args=(log,), daemon=True).start()
        self._memory.start()

    @property
    def peak(self) -> int:
        """The most memory it has used, in MB; 0 where that cannot be known."""
        return self._memory.peak

    def freeze(self) -> bool:
        """As Lambda does between events: nothing of it runs, its memory stays. False when it has ended."""
        done = self._engine.call("pause", self.name, check=False, timeout=PATIENCE)
        self._frozen = done.returncode == 0
        return self._frozen

    def thaw(self) -> bool:
        """False when it has ended, which one that was about to may do as it is frozen."""
        if self._frozen:
            self._frozen = False
            if self._engine.call("unpause", self.name, check=False, timeout=PATIENCE).returncode:
                return False
        return not self.ended.is_set()

    def terminate(self) -> None:
        """Asks its main process to end."""
        remove(self._engine, "kill", "--signal", "TERM", self.name)

    def kill(self) -> None:
        """Until it has ended and said its last lines: while its start is under way it cannot be killed."""
        until = time.monotonic() + FLUSH
        while not self.ended.is_set() and time.monotonic() < until:
            remove(self._engine, "kill", self.name)
            self.ended.wait(KILL_EVERY)
        self._client.kill()  # also when it hangs
        self._memory.close()

    def remove(self) -> None:
        remove(self._engine, "rm", "--force", "--volumes", self.name)

    def exit(self) -> Exit:
        """Of one that ended by itself. RunError when it never began: the engine could not start it."""
        state: Mapping[str, Any] = json.loads(
            run(self._engine, "inspect", "--format", "{{json .State}}", self.name)
        )
        if state["StartedAt"].startswith("0001-"):
            raise RunError(
                "the container could not be started", why=state.get("Error", "") or "see the lines above"
            )
        return Exit.of(
            state,
            exceeded=self._memory.exceeded,
            ready=self.api.ready_at is not None,
            last_line=self._last_line,
        )

    def _copy(self, log: Log) -> None:
        assert self._client.stdout
        try:
            with self._client.stdout as stream:
                self._last_line = log.copy(stream)
        finally:
            self._client.wait()
            self.ended.set()
            self.api.changed.set()
