"""Runs one invocation as a plain process of this machine: no container, so nothing that holds it back.

The same agent, packages and shell door as in the image, in a tree made by `image.tree`. A throwaway
home, an explicit environment without this user's AWS credentials, and a deadline are all that is kept.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lambdactl.errors import RunError
from lambdactl.runners import payloads
from lambdactl.runners.folders import sweep_folders, throwaway
from lambdactl.runners.log import Log
from lambdactl.runners.owner import Owner
from lambdactl.runners.protocol import RUN_VOLUME, Function, FunctionError, Invocation, Response
from lambdactl.runners.trees import kill_group, kill_marked
from lambdactl.runners.watch import STOP_PATIENCE, TICK

NOT_ENFORCED = (
    "lambdactl: no container. Not as in Lambda, and not held back: files (it can read and write what you "
    "can), network, memory, CPU, number of processes, user, system calls, /tmp's size"
)
FLUSH = 5.0  # seconds for the last lines, should something we cannot see hold the pipes open
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def invoke(
    function: Function,
    invocation: Invocation,
    on_line: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Response:
    """`function.image` is the tree. RunError when it is not one; every other end is a Response."""
    tree = Path(function.image)
    python = tree / "python/bin/python"
    if not python.exists():
        raise RunError(f"{tree} is no tree to run without a container", hint="`lambdactl run-local` makes it")
    log = Log(on_line)
    log.line(NOT_ENFORCED)
    sweep_folders()
    with throwaway(Owner.this().new_name()) as folder:
        child = _Child(function, invocation, tree, folder, log)
        try:
            ending = child.until_end(function.timeout, stop or threading.Event())
        finally:
            child.end(str(folder))
        payload, error = _payload(function, invocation, child, ending)
    duration = round((time.monotonic() - child.started) * 1000)
    return Response(payload=payload, function_error=error, duration_ms=duration, log_tail=log.tail())


class _Child:
    """The shell door, in a session of its own. Its last line of output is the response, not log."""

    def __init__(
        self, function: Function, invocation: Invocation, tree: Path, folder: Path, log: Log
    ) -> None:
        self.started = time.monotonic()
        self.last_line = b""
        self._log, self._ended = log, threading.Event()
        for each in ("home", "tmp"):
            (folder / each).mkdir()
        self._process = subprocess.Popen(
            [str(tree / "python/bin/python"), "-m", "agent", *_options(function, invocation)],
            cwd=tree,
            env=environment(function, invocation, tree, folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        copies = (self._feed, self._copy_out, self._copy_err)
        self._threads = [
            threading.Thread(target=each, args=(invocation.event,), daemon=True) for each in copies
        ]
        for thread in self._threads:
            thread.start()
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def code(self) -> int:
        return int(self._process.returncode)

    def until_end(self, timeout: float, stop: threading.Event) -> str:
        """As `watch.Ending`: exited, timed_out or stopped."""
        limit, stopping = self.started + timeout, False
        while not self._ended.wait(max(0.0, min(TICK, limit - time.monotonic()))):
            if stop.is_set() and not stopping:
                stopping, limit = True, min(limit, time.monotonic() + STOP_PATIENCE)
                self._process.send_signal(signal.SIGTERM)
            if time.monotonic() >= limit:
                return "stopped" if stopping else "timed_out"
        return "exited"

    def end(self, mark: str) -> None:
        """Kill what is left of it, and read its last lines."""
        kill_marked(mark)
        kill_group(self._process.pid)
        self._ended.wait()
        for thread in self._threads:
            thread.join(FLUSH)

    def say_last_line(self) -> None:
        """It was no response."""
        if self.last_line:
            self._log.line(self.last_line.decode(errors="replace"))

    def _wait(self) -> None:
        self._process.wait()
        self._ended.set()

    def _feed(self, event: bytes) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError), self._process.stdin as stdin:
            stdin.write(event)

    def _copy_out(self, _: bytes) -> None:
        assert self._process.stdout
        with self._process.stdout as stream:
            for raw in stream:
                if self.last_line:
                    self._log.line(self.last_line.decode(errors="replace"))
                self.last_line = raw.rstrip(b"\r\n")

    def _copy_err(self, _: bytes) -> None:
        assert self._process.stderr
        with self._process.stderr as stream:
            self._log.copy(stream)


def environment(function: Function, invocation: Invocation, tree: Path, folder: Path) -> dict[str, str]:
    """All of it: nothing of this process's own environment, and no file that holds the user's credentials."""
    given = dict(function.environment)
    if invocation.run_folder is not None:
        volume = str(invocation.run_folder.resolve())
        for name in ("LAMBDACTL_RUN_DIR", "LAMBDACTL_DEFINITION"):
            if given.get(name, "").startswith(RUN_VOLUME):
                given[name] = volume + given[name].removeprefix(RUN_VOLUME)
    for relay in function.relays:
        host, port = relay.target
        given[relay.name] = f"http://{host}:{port}{relay.path}"
    return {
        "PATH": os.pathsep.join([str(tree / "bin"), str(tree / "python/bin"), SYSTEM_PATH]),
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LAMBDACTL_HOME": str(tree),
        "LAMBDACTL_WORK": str(folder / "work"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        **given,
    }


def _options(function: Function, invocation: Invocation) -> list[str]:
    return ["--request-id", invocation.request_id, "--timeout", f"{function.timeout:g}"]


def _payload(
    function: Function, invocation: Invocation, child: _Child, ending: str
) -> tuple[bytes, FunctionError]:
    if ending == "timed_out":
        return payloads.timed_out(invocation.request_id, function.timeout), "Unhandled"
    if ending == "stopped":
        return payloads.exited(invocation.request_id, -signal.SIGKILL), "Unhandled"
    if child.code or not child.last_line:
        child.say_last_line()
        return payloads.exited(invocation.request_id, child.code), "Unhandled"
    return child.last_line, ""
