"""The shell server over its real pipes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.bench import ROOT, alive

PROGRAM = ROOT / "agent" / "mcp_shell.py"


class Client:
    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM), "60"],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "GREETING": "hi"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, method: str, id_: int | None = None, **params: Any) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params} | (
            {} if id_ is None else {"id": id_}
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        message = json.loads(self.process.stdout.readline())
        assert message.pop("jsonrpc") == "2.0"
        return dict(message)

    def call(self, id_: int = 1, **arguments: Any) -> tuple[str, bool]:
        self.send("tools/call", id_, name="shell", arguments=arguments)
        result = self.receive()["result"]
        return result["content"][0]["text"], result["isError"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    started = Client(tmp_path)
    yield started
    assert started.process.stdin
    started.process.stdin.close()
    assert started.process.wait(60) == 0


def test_the_hand_shake_and_the_tool(client: Client) -> None:
    client.send("initialize", 0, protocolVersion="2025-03-26", capabilities={})
    assert client.receive()["result"]["protocolVersion"] == "2025-03-26"
    client.send("notifications/initialized")
    client.send("ping", 1)
    assert client.receive() == {"id": 1, "result": {}}
    client.send("tools/list", 2)
    tool = client.receive()["result"]["tools"][0]
    assert (tool["name"], tool["inputSchema"]["required"]) == ("shell", ["command"])
    client.send("resources/list", 3)
    assert client.receive()["error"]["code"] == -32601


def test_commands(client: Client, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert client.call(command="echo $GREETING; echo err >&2") == ("Exit code: 0\nhi\nerr\n", False)
    assert client.call(command="exit 3") == ("Exit code: 3\n", True)
    assert client.call(command="kill -9 $$") == ("Killed by signal 9\n", True)
    assert client.call(command="pwd", workdir="sub") == (f"Exit code: 0\n{tmp_path}/sub\n", False)
    assert client.call(command=["echo", "an argv"]) == ("Exit code: 0\nan argv\n", False)
    assert client.call(command="cat") == ("Exit code: 0\n", False)  # no standard input


def test_what_is_no_command(client: Client) -> None:
    assert client.call() == ("cannot run it: `command` must be a command line", True)
    assert client.call(command="true", workdir="/nowhere")[1]
    assert client.call(command=["no-such-program"])[1]
    assert client.call(command="true", timeout_seconds="soon")[1]
    client.send("tools/call", 9, name="other")
    assert client.receive()["error"]["message"] == "no tool 'other'"


def test_time_is_up_for_all_it_started(client: Client) -> None:
    text, is_error = client.call(command="echo begun; setsid sleep 7301 & sleep 7302", timeout_seconds=3)
    assert (text, is_error) == ("Killed after 3 seconds.\nbegun\n", True)
    assert not alive("sleep 7301")
    assert not alive("sleep 7302")


def test_output_is_bounded_at_both_ends(client: Client) -> None:
    text, _ = client.call(command="echo first; head -c 100000 /dev/zero | tr '\\0' x; echo; echo last")
    assert text.startswith("Exit code: 0\nfirst\n")
    assert text.endswith("x\nlast\n")
    assert "bytes left out" in text
    assert len(text) < 41_000


def test_a_command_in_the_background_does_not_hold_the_answer(client: Client) -> None:
    """Else it would come when the time for a command is over, and say so."""
    assert client.call(command="sleep 7312 & echo started") == ("Exit code: 0\nstarted\n", False)


def test_calls_run_side_by_side_and_can_be_cancelled(client: Client) -> None:
    client.send("tools/call", 1, name="shell", arguments={"command": "sleep 50; echo slow"})
    assert client.call(2, command="echo quick") == ("Exit code: 0\nquick\n", False)
    client.send("notifications/cancelled", requestId=1)
    answer = client.receive()
    assert (answer["id"], answer["result"]["isError"]) == (1, True)


def test_the_end_of_the_input_ends_what_runs(tmp_path: Path) -> None:
    client = Client(tmp_path)
    client.send("tools/call", 1, name="shell", arguments={"command": "touch begun; sleep 7311"})
    while not (tmp_path / "begun").exists():
        time.sleep(0.02)
    assert client.process.stdin
    client.process.stdin.close()
    assert client.process.wait(60) == 0
    assert not alive("sleep 7311")
