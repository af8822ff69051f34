"""Starts and stops the daemon's process. One caller at a time: `Folder.changing`."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lambdactl.container import PASSED_ON
from lambdactl.errors import SandboxError
from lambdactl.sandbox.emulator import healthy
from lambdactl.sandbox.state import Folder, State

STARTS_WITHIN = 60.0  # seconds
STOPS_WITHIN = 60.0


def find(folder: Folder) -> State | None:
    """The daemon that is up and answers; None when there is none, or it was just ending."""
    until = time.monotonic() + STARTS_WITHIN
    while (state := folder.read()) is not None and not healthy(state.url):
        if time.monotonic() > until:
            raise SandboxError("the sandbox is up but does not answer", hint="lambdactl sandbox down")
        time.sleep(0.02)
    return state


def start(folder: Folder, root: Path, engine: str, scripted_model: bool) -> State:
    """Returns when the daemon says that it serves; raises SandboxError with its last words."""
    if not folder.alive():
        folder.forget()  # what a daemon that was killed has left
    command = [sys.executable, "-P", "-m", "lambdactl.sandbox.server", str(root), f"--engine={engine}"]
    with open(folder.log, "wb") as log:
        daemon = subprocess.Popen(
            command if scripted_model else [*command, "--real-model"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Nothing of the user's AWS; what the container engine's client needs.
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            cwd=root,
            start_new_session=True,  # outlives the command and its terminal
        )
    until = time.monotonic() + STARTS_WITHIN
    while (state := folder.read()) is None:
        if daemon.poll() is not None:
            raise SandboxError("the sandbox did not start", why=_last_words(folder), hint=f"see {folder.log}")
        if time.monotonic() > until:
            daemon.kill()
            raise SandboxError(f"the sandbox was not up in {STARTS_WITHIN:.0f} s", hint=f"see {folder.log}")
        time.sleep(0.02)
    if state.pid != daemon.pid:
        daemon.kill()  # another one, whose `up` was interrupted, was first
    return state


def stop(folder: Folder, state: State) -> None:
    """Returns when the daemon has ended; one that does not end in time is killed."""
    os.kill(state.pid, signal.SIGTERM)
    until = time.monotonic() + STOPS_WITHIN
    while folder.alive():
        if time.monotonic() > until:
            os.kill(state.pid, signal.SIGKILL)  # the emulator notices, and saves what it holds
            until = float("inf")
        time.sleep(0.02)


def wait_for_emulator(folder: Folder) -> None:
    """After a daemon that was killed its emulator may still be writing."""
    lock = folder.emulator / "lock"
    if lock.exists():
        with open(lock, "a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)


def _last_words(folder: Folder) -> str:
    lines = folder.log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
