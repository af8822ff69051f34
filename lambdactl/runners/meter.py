"""Reads how much memory a container uses, from its control group on this machine. Changes nothing.

Anonymous memory only: a tmpfs and the page cache are charged to the group too, and Lambda counts
neither. Sampled, so that a shorter peak is missed.
"""

from __future__ import annotations

from pathlib import Path

from lambdactl.container import Engine
from lambdactl.errors import LambdactlError

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
MB = 1 << 20
PATIENCE = 5.0  # seconds for the engine to say where; the clock of the run is not watched meanwhile


class Meter:
    """`peak` is in MB; 0 where the engine's groups cannot be read (a virtual machine, another host)."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine, self._container = engine, container
        self._stat: Path | None = None
        self._found = False
        self._most = 0

    def sample(self) -> None:
        if not self._found:
            self._found, self._stat = True, _stat_file(self._engine, self._container)
        if self._stat is None:
            return
        try:
            lines = dict(line.split() for line in self._stat.read_text(encoding="ascii").splitlines())
        except (OSError, ValueError):
            return  # it has ended
        self._most = max(self._most, int(lines.get("total_rss") or lines.get("anon") or 0))

    @property
    def peak(self) -> int:
        return -(-self._most // MB)


def _stat_file(engine: Engine, container: str) -> Path | None:
    try:
        done = engine.call("inspect", "--format", "{{.State.Pid}}", container, check=False, timeout=PATIENCE)
    except LambdactlError:
        return None  # a run is worth more than its measure
    pid = done.stdout.decode().strip()
    try:
        groups = (PROC / pid / "cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in groups:
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return CGROUP / "memory" / path.lstrip("/") / "memory.stat"
        if number == "0" and (found := CGROUP / path.lstrip("/") / "memory.stat").exists():
            return found
    return None
