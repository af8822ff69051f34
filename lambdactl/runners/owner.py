"""Names what belongs to a run by the process that made it, and removes what dead ones left behind.

A run's containers, network and volumes share one name, which says whose they are: boot, PID namespace,
process id and its start time. (Names, since docker's and podman's listings of labels differ.) Where there
is no /proc, on macOS, `sysctl` and `ps` tell them.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambdactl.container import Engine
from lambdactl.errors import LambdactlError, RunError

PREFIX = "lambdactl-run"
LABEL = "lambdactl.owner"
PATIENCE = 60.0  # seconds for one call to the engine
PROC = Path("/proc")
UNKNOWN = "unknown"  # a machine or a time that cannot be told
ASKING = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}

# What a run makes, in the order in which it can be removed: how to list it, and how to remove one.
LEFTOVERS = (
    (("ps", "--all", "--format", "{{.Names}}"), ("rm", "--force", "--volumes")),
    (("network", "ls", "--format", "{{.Name}}"), ("network", "rm")),
    (("volume", "ls", "--format", "{{.Name}}"), ("volume", "rm", "--force")),
)


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of this machine's past or present. `machine` is a boot and a PID namespace of it."""

    machine: str
    pid: int
    started: str  # clock ticks since boot; without /proc, seconds since 1970

    @classmethod
    def this(cls) -> Owner:
        return cls(_machine(), os.getpid(), _started(os.getpid()))

    @classmethod
    def of(cls, name: str) -> Owner | None:
        """Whose `name` is; None when it is not a name of ours."""
        parts = name.removeprefix(f"{PREFIX}-").split("-")
        if not name.startswith(f"{PREFIX}-") or len(parts) < 4 or not parts[1].isdigit():
            return None
        return cls(parts[0], int(parts[1]), parts[2])

    def __str__(self) -> str:
        return f"{self.machine}-{self.pid}-{self.started}"

    def new_name(self) -> str:
        return f"{PREFIX}-{self}-{secrets.token_hex(4)}"

    def is_gone(self) -> bool:
        """Known to have ended. What another machine or container owns is never known to."""
        if self.machine != _machine() or UNKNOWN in (self.machine, self.started):
            return False
        return _started(self.pid) not in (self.started, UNKNOWN)


def sweep(engine: Engine) -> list[str]:
    """Remove what runs of dead processes left; the names of what went."""
    removed = []
    for listing, removal in LEFTOVERS:
        found = engine.call(*listing, "--filter", f"name={PREFIX}-", timeout=PATIENCE, check=False)
        for name in found.stdout.decode(errors="replace").split():
            owner = Owner.of(name)
            if not (owner and owner.is_gone()):
                continue
            if engine.call(*removal, name, timeout=PATIENCE, check=False).returncode == 0:
                removed.append(name)
    return removed


def remove(engine: Engine, *removal: str) -> None:
    """A call that must not be lost to a Ctrl-C: its own session, so that a terminal's signal misses it."""
    with contextlib.suppress(OSError):
        process = engine.spawn(
            *removal,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()  # the engine hangs; what is left, the next run removes
            process.wait()


def run(engine: Engine, *args: str, env: Mapping[str, str] | None = None) -> str:
    """A call with the patience of this package; what it printed."""
    try:
        return engine.call(*args, env=env, timeout=PATIENCE).stdout.decode().strip()
    except LambdactlError as broken:
        raise RunError("the container could not be made", why=str(broken)) from None


def _machine() -> str:
    """This boot of this machine, and the PID namespace."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink(PROC / "self/ns/pid")  # pid:[4026531836]
    except OSError:
        boot, namespace = _asked("sysctl", "-n", "kern.bootsessionuuid"), "0"
        if boot in ("", UNKNOWN):
            return UNKNOWN
    return f"{boot[:8].lower()}.{''.join(filter(str.isdigit, namespace))}"


def _started(pid: int) -> str:
    """A process's start time; "" when there is no such process."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        if not (PROC / "self").exists():
            return _started_by_ps(pid)
        return UNKNOWN if _hidden(pid) else ""
    return stat.rpartition(")")[2].split()[19]  # field 22; field 2 is a name and may hold spaces


def _hidden(pid: int) -> bool:
    """Whether /proc keeps another user's process from us (its mount option `hidepid`)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _started_by_ps(pid: int) -> str:
    said = _asked("ps", "-o", "lstart=", "-p", str(pid))
    if said in ("", UNKNOWN):
        return said
    try:
        return str(calendar.timegm(time.strptime(said, "%a %b %d %H:%M:%S %Y")))
    except ValueError:
        return UNKNOWN


def _asked(*argv: str) -> str:
    """What a program of the system says, which may be nothing; UNKNOWN when it is not there or complains."""
    try:
        done = subprocess.run(
            argv, env=ASKING, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return UNKNOWN if done.stderr.strip() else done.stdout.strip()
