"""Starts one command with just the environment, the descriptors and the session it is to have."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

NICE = 10
KILLED_FIRST = 500  # of 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A polite signal, and how long it may take. `group`: to all of the process group."""

    signal: signal.Signals
    seconds: float
    group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`piped` are secrets that the child reads from a file descriptor: variable name -> value."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    stdout: Path
    stderr: Path
    stops: tuple[Stop, ...]
    mark: str
    stdin: Path | None = None
    piped: Mapping[str, str] = field(default_factory=dict, repr=False)


def spawn(command: Command) -> subprocess.Popen[bytes]:
    """In a session of its own, with just the environment and the descriptors it is to have."""
    with contextlib.ExitStack() as opened:
        ends = {name: _filled_pipe(value) for name, value in command.piped.items()}
        for end in ends.values():
            opened.callback(os.close, end)
        stdin = opened.enter_context(command.stdin.open("rb")) if command.stdin else subprocess.DEVNULL
        child = subprocess.Popen(
            command.argv,
            env={**command.env, **{name: str(end) for name, end in ends.items()}},
            cwd=command.cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=tuple(ends.values()),
            start_new_session=True,
            bufsize=0,
        )
    gives_way(child.pid)
    return child


def gives_way(pid: int) -> None:
    """What runs in it yields the processor to us, and is killed before us when the memory runs out.

    Otherwise a job of a thousand busy processes keeps us from its deadline. Its children inherit both.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(KILLED_FIRST))


def _filled_pipe(value: str) -> int:
    """The end to read `value` from, once. A pipe holds 4 KiB at least on Linux: writing cannot block."""
    content = value.encode()
    if len(content) > 4096:
        raise OSError("a secret over 4,096 bytes does not fit into a pipe")
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


def signal_name(code: int | None) -> str | None:
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"SIG{-code}"
