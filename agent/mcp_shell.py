"""An MCP server with one tool, `shell`, over standard input and output. Needs nothing but Python.

Codex has no working shell on Lambda (see agent.clis.codex); this is its shell. It is started as a
program by its path, with `-I`, so that no file of the workspace can take a module's place.

Protocol: JSON-RPC 2.0, one message a line (MCP, transport stdio). Calls run in parallel.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PROTOCOL = "2025-06-18"
DEFAULT_SECONDS = 120
KEPT = 20_000  # bytes of the output's beginning, and as many of its end
GRACE = 0.2  # seconds for the output to end after the command; what it left in the background may hold it

DESCRIPTION = (
    "Runs a shell command in the workspace and returns its exit code and output (standard output and "
    "error together). Each call is a new shell: directory and variables do not carry over. There is no "
    "terminal and no standard input. A command that exceeds its time is killed with all it started."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    text: str
    is_error: bool


def schema(most: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "command": {
                "type": "string",
                "description": "The command line, run by bash (sh where there is none).",
            },
            "workdir": {"type": "string", "description": "The directory to run in; default: the workspace."},
            "timeout_seconds": {
                "type": "number",
                "description": f"Seconds it may take; default {min(DEFAULT_SECONDS, most)}, at most {most}.",
            },
        },
        "required": ["command"],
        "additionalProperties": False,
    }


def run(arguments: Mapping[str, Any], most: int, started: Callable[[int], None] = lambda pid: None) -> Ran:
    """Run one command to its end or its limit. `started` is told its pid."""
    try:
        argv = _argv(arguments.get("command"))
        seconds = min(float(arguments.get("timeout_seconds") or DEFAULT_SECONDS), most)
        child = subprocess.Popen(
            argv,
            cwd=arguments.get("workdir") or None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, TypeError, ValueError) as error:
        return Ran(text=f"cannot run it: {error}", is_error=True)
    started(child.pid)
    assert child.stdout
    output = _Output(child.stdout)
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_tree(child.pid)
        child.wait()
        return Ran(text=f"Killed after {seconds:g} seconds.\n{output.text()}", is_error=True)
    end = f"Exit code: {code}" if code >= 0 else f"Killed by signal {-code}"
    return Ran(text=f"{end}\n{output.text()}", is_error=code != 0)


def kill_tree(root: int) -> None:
    """SIGKILL to a process and all that descend from it. Looks twice, for what was just being started."""
    for _ in range(2):
        for pid in _descendants(root):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


class _Output:
    """Reads a pipe to its end in a thread and keeps its beginning and its end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._head, self._tail, self._size = b"", b"", 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join(GRACE)
        with self._lock:
            left_out = self._size - len(self._head) - len(self._tail)
            cut = f"\n[... {left_out:,} bytes left out ...]\n".encode() if left_out else b""
            return (self._head + cut + self._tail).decode(errors="replace")

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                with self._lock:
                    self._size += len(chunk)
                    room = KEPT - len(self._head)
                    self._head += chunk[:room]
                    self._tail = (self._tail + chunk[room:])[-KEPT:]


class Server:
    """Answers messages; `write` takes whole lines and may be called from several threads."""

    def __init__(self, write: Callable[[bytes], None], most: int) -> None:
        self._write, self._most = write, most
        self._lock = threading.Lock()
        self._running: dict[Any, int] = {}  # request id -> pid
        self._calls: list[threading.Thread] = []

    def serve(self, lines: Iterable[bytes]) -> None:
        """Until the input ends; what still runs is then killed."""
        for line in lines:
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    self._take(message)
        for pid in list(self._running.values()):
            kill_tree(pid)
        for call in self._calls:
            call.join(1)

    def _take(self, message: Mapping[str, Any]) -> None:
        id_, parameters = message.get("id"), message.get("params") or {}
        match message.get("method"):
            case "initialize":
                self._answer(id_, self._hello(parameters))
            case "ping":
                self._answer(id_, {})
            case "tools/list":
                tool = {"name": "shell", "description": DESCRIPTION, "inputSchema": schema(self._most)}
                self._answer(id_, {"tools": [tool]})
            case "tools/call":
                call = threading.Thread(target=self._call, args=(id_, parameters), daemon=True)
                self._calls = [each for each in self._calls if each.is_alive()] + [call]
                call.start()
            case "notifications/cancelled":
                if pid := self._running.get(parameters.get("requestId")):
                    kill_tree(pid)
            case _ if id_ is not None and "method" in message:
                self._send({"id": id_, "error": {"code": -32601, "message": "no such method"}})

    def _hello(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "protocolVersion": parameters.get("protocolVersion", PROTOCOL),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lambdactl-shell", "version": "1"},
        }

    def _call(self, id_: Any, parameters: Mapping[str, Any]) -> None:
        if parameters.get("name") != "shell":
            self._send(
                {"id": id_, "error": {"code": -32602, "message": f"no tool {parameters.get('name')!r}"}}
            )
            return
        try:
            ran = run(
                parameters.get("arguments") or {}, self._most, lambda pid: self._running.update({id_: pid})
            )
        finally:
            self._running.pop(id_, None)
        self._answer(id_, {"content": [{"type": "text", "text": ran.text}], "isError": ran.is_error})

    def _answer(self, id_: Any, result: Mapping[str, Any]) -> None:
        self._send({"id": id_, "result": result})

    def _send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._write(line)


def _argv(command: Any) -> list[str]:
    """A command line for a shell. Models also send an argv, as Codex's own tool wants it."""
    if isinstance(command, list) and command and all(isinstance(each, str) for each in command):
        return command
    if isinstance(command, str) and command.strip():
        return [shutil.which("bash") or "/bin/sh", "-c", command]
    raise ValueError("`command` must be a command line")


def _descendants(root: int) -> set[int]:
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(name)] = int(
                Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            )
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def main(arguments: list[str]) -> None:
    output = sys.stdout.buffer

    def write(line: bytes) -> None:
        output.write(line)
        output.flush()

    Server(write, int(arguments[0]) if arguments else 900).serve(sys.stdin.buffer)


if __name__ == "__main__":
    main(sys.argv[1:])
