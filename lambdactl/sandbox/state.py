"""Where a project's sandbox keeps its things, and what the daemon tells the commands. Starts nothing.

The daemon is alive for as long as it holds `alive.lock`: the system lets go of it when the process
ends, however it ends. So a process id in a file is believed only while the lock is held.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lambdactl.errors import SandboxError


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a running daemon says of itself."""

    pid: int
    started: str  # RFC 3339, UTC
    url: str
    door_url: str  # what containers reach: S3, SSM, STS and Lambda only
    model_url: str  # "" without the scripted model
    engine: str  # as it was asked for: "" means whichever is found
    version: int = 1


@dataclass(frozen=True, slots=True)
class Folder:
    """<project root>/.lambdactl/sandbox"""

    path: Path

    @classmethod
    def of(cls, root: Path) -> Folder:
        return cls(root.resolve() / ".lambdactl" / "sandbox")

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def emulator(self) -> Path:
        return self.path / "emulator"

    def read(self) -> State | None:
        """The daemon's state, or None when none is up (or not yet)."""
        if not self.alive():
            return None
        try:
            text = (self.path / "state.json").read_text()
        except FileNotFoundError:
            return None
        try:
            document = json.loads(text)
            return State(**{each.name: document[each.name] for each in fields(State)})
        except (ValueError, TypeError, KeyError):
            raise SandboxError(
                "the sandbox is up, but this lambdactl cannot read what it says of itself",
                where=str(self.path / "state.json"),
                hint="`lambdactl sandbox down` with the version that started it, or end its process",
            ) from None

    def write(self, state: State) -> None:
        self._replace("state.json", asdict(state))

    def forget(self) -> None:
        (self.path / "state.json").unlink(missing_ok=True)

    def ports(self) -> dict[str, int]:
        """The ports of the last time, so that addresses stay as they were where possible."""
        try:
            return dict(json.loads((self.path / "ports.json").read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def remember(self, ports: dict[str, int]) -> None:
        self._replace("ports.json", ports)

    def alive(self) -> bool:
        if not self.path.exists():
            return False
        with open(self.path / "alive.lock", "a") as lock:
            return not _locked(lock.fileno())

    def be_alive(self, patience: float) -> bool:
        """For the daemon: locked until its process ends; False when another one is (`patience` is in s)."""
        until = time.monotonic() + patience  # `alive` of a command holds the lock for a moment
        lock = os.open(self.path / "alive.lock", os.O_RDWR | os.O_CREAT, 0o600)  # closed by nobody
        while not (mine := _locked(lock)) and time.monotonic() < until:
            time.sleep(0.01)
        return mine

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One `up` or `down` at a time; the others wait."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.parent / "sandbox.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _replace(self, name: str, content: object) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=name)  # mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
        os.replace(temporary, self.path / name)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
