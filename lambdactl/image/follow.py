"""What a program writes, line by line while it runs, until the time limit. Starts no program."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable

from lambdactl.deadline import Deadline

GRACE_SECONDS = 10.0  # to clean up after a Ctrl-C
_PIECE = 1 << 16


def follow(process: subprocess.Popen[bytes], on_line: Callable[[str], None], deadline: Deadline) -> int:
    """Its return code, when each line of its stdout was handed on. At the time limit it gets a Ctrl-C, and
    TimeLimit is raised: what else holds its stdout open then is not waited for.
    """
    assert process.stdout
    rest = b""
    with process:
        while piece := _next(process, deadline):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                on_line(line.decode(errors="replace").rstrip())
        if rest:
            on_line(rest.decode(errors="replace").rstrip())
    return process.returncode


def _next(process: subprocess.Popen[bytes], deadline: Deadline) -> bytes:
    """Some of its output; nothing at its end."""
    assert process.stdout
    select.select([process.stdout], [], [], deadline.left())
    if deadline.over():
        _end(process)
        deadline.check()
    return os.read(process.stdout.fileno(), _PIECE)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
