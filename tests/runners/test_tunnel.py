"""Connections carried over a pair of pipes, with the holder as a process of this machine, on loopback."""

from __future__ import annotations

import ast
import contextlib
import inspect
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners import holder_script
from lambdactl.runners.bridge import BridgeServer
from lambdactl.runners.holder_script import (
    CREDIT,
    DATA,
    END,
    HEAD,
    LISTEN,
    MOST,
    NUMBER,
    OPEN,
    PART,
    STOP,
    WINDOW,
    Frames,
)
from lambdactl.runners.tunnel import Tunnel

SOURCE = inspect.getsource(holder_script)
MANY = 3 << 20  # bytes: more than all buffers on the way


def frame(number: int, kind: int, body: bytes = b"") -> bytes:
    return HEAD.pack(number, kind, len(body)) + body


@dataclass
class Made:
    """A tunnel to a process that stands for the holder's container."""

    tunnel: Tunnel
    lost: list[str] = field(default_factory=list)

    def serve(self, stack: contextlib.ExitStack, handler: type[socketserver.BaseRequestHandler]) -> int:
        return self.tunnel.serve(0, stack.enter_context(BridgeServer(None, handler)))


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as opened:
        yield opened


Start = Callable[..., Made]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(*argv: str) -> Made:
            program = tmp_path / "engine"
            (tmp_path / "holder.py").write_text(SOURCE)
            holder = argv or ("-I", "-S", str(tmp_path / "holder.py"), "127.0.0.1")
            words = " ".join(f"'{each}'" for each in (sys.executable, *holder))
            program.write_text(f"#!/bin/sh\nexec {words}\n")
            program.chmod(0o755)
            lost: list[str] = []
            tunnel = Tunnel(Engine(name="docker", executable=str(program)), "holder", lost.append)
            stack.callback(tunnel.close)
            return Made(tunnel, lost)

        yield begin


@pytest.fixture
def made(start: Start) -> Made:
    return start()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while part := self.request.recv(1 << 16):
            self.request.sendall(part)


class Never(socketserver.BaseRequestHandler):
    """Reads nothing."""

    go = threading.Event()

    def handle(self) -> None:
        self.go.wait(60)


class Endless(socketserver.BaseRequestHandler):
    """Writes until nobody takes it."""

    def handle(self) -> None:
        while True:
            self.request.sendall(b"x" * (1 << 16))


class Leaves(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"bye")


# What is sent

frames = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 255), st.binary(max_size=200)), max_size=8
)


@given(frames, st.lists(st.integers(1, 40), min_size=1))
def test_frames_come_whole_however_they_are_cut(sent: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    wire = b"".join(frame(*each) for each in sent)
    reader, found, at, turn = Frames(), [], 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        found += list(reader.feed(wire[at : at + size]))
        at, turn = at + size, turn + 1
    assert found == sent


def test_a_frame_longer_than_any_is_not_waited_for() -> None:
    with pytest.raises(holder_script.Broken, match=f"{PART + 1} bytes"):
        list(Frames().feed(HEAD.pack(1, DATA, PART + 1)))


def test_the_script_is_for_python_3_9_and_its_standard_library() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    assert len(SOURCE) < 1 << 16  # an argument has 128 KiB on Linux


# Connections through a real holder

parts = st.lists(st.tuples(st.integers(0, 3), st.integers(1, WINDOW + 1000)), min_size=1, max_size=16)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(parts)
def test_any_interleaving_arrives_whole_and_in_order(made: Made, sent: list[tuple[int, int]]) -> None:
    """Both directions at once, then the end of each."""
    with contextlib.ExitStack() as stack:
        port = made.serve(stack, Echo)
        clients = [stack.enter_context(connect(port)) for _ in range(4)]
        expected: list[bytearray] = [bytearray() for _ in clients]
        received = [b""] * len(clients)

        def collect(index: int) -> None:
            received[index] = read_all(clients[index])

        readers = [threading.Thread(target=collect, args=(index,)) for index in range(len(clients))]
        for reader in readers:
            reader.start()
        for turn, (index, size) in enumerate(sent):
            part = bytes((turn + each) % 251 for each in range(256)) * (size // 256 + 1)
            clients[index].sendall(part[:size])
            expected[index] += part[:size]
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        for reader in readers:
            reader.join(30)
    assert received == expected


@pytest.mark.parametrize("handler", [Never, Endless])
def test_who_stops_reading_holds_up_nobody_else(
    made: Made, stack: contextlib.ExitStack, handler: type[socketserver.BaseRequestHandler]
) -> None:
    """Neither this side's server nor a client inside; and nothing piles up on the way."""
    never, echo = made.serve(stack, handler), made.serve(stack, Echo)
    stack.callback(Never.go.clear)
    stack.callback(Never.go.set)
    stopped = [stack.enter_context(connect(never)) for _ in range(5)]
    taken = 0
    for each in stopped:
        each.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while handler is Never and taken < 100 << 20:
                taken += each.send(b"x" * (1 << 16))
    assert taken < 100 << 20
    with connect(echo) as client:
        threading.Thread(target=client.sendall, args=(b"y" * MANY,)).start()
        found = 0
        while found < MANY:
            found += len(client.recv(1 << 16))
    assert _resident_mb(made.tunnel._process.pid) < 40


def test_a_server_that_closes_is_seen_to_even_if_the_client_stays(
    made: Made, stack: contextlib.ExitStack
) -> None:
    """More than may be open at once, one after the other: nothing of an ended one is kept."""
    port = made.serve(stack, Leaves)
    for _ in range(MOST + 50):
        assert read_all(stack.enter_context(connect(port))) == b"bye"


def test_a_client_that_goes_is_seen_by_the_server(made: Made, stack: contextlib.ExitStack) -> None:
    gone = threading.Event()

    class Waits(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                read_all(self.request)
            gone.set()

    port = made.serve(stack, Waits)
    connect(port).close()
    assert gone.wait(30)


def test_more_than_a_server_takes_are_closed(made: Made, stack: contextlib.ExitStack) -> None:
    class Few(BridgeServer):
        most_open = 2

    port = made.tunnel.serve(0, stack.enter_context(Few(None, Echo)))
    clients = [stack.enter_context(connect(port)) for _ in range(3)]
    assert clients[2].recv(1) == b""
    clients[0].sendall(b"a")
    assert clients[0].recv(1) == b"a"
    clients[0].close()
    for _ in range(100):  # until the server knows
        with connect(port) as another:
            another.sendall(b"b")
            with contextlib.suppress(ConnectionError):
                if another.recv(1) == b"b":
                    return
        time.sleep(0.1)
    pytest.fail("no place became free")


def test_a_port_gets_another_server(made: Made, stack: contextlib.ExitStack) -> None:
    port = made.serve(stack, Leaves)
    with BridgeServer(None, Echo) as another:
        assert made.tunnel.serve(port, another) == port
        with connect(port) as client:
            client.sendall(b"a")
            assert client.recv(1) == b"a"
    with connect(port) as client:
        assert client.recv(1) == b""  # its server is over


def test_a_port_that_is_taken(made: Made, stack: contextlib.ExitStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match="in use"):
            made.tunnel.serve(port, stack.enter_context(BridgeServer(None, Echo)))
    assert made.serve(stack, Echo)


# Ends


def test_the_holder_ends_with_its_input(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", SOURCE, "127.0.0.1"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(frame(1, LISTEN, NUMBER.pack(0)))
    process.stdin.flush()
    assert process.stdout
    process.stdout.read(HEAD.size + NUMBER.size)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_a_holder_that_dies_is_told_and_ends_its_connections(made: Made, stack: contextlib.ExitStack) -> None:
    seen = threading.Event()

    class Waits(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"a")
            self.request.recv(1)
            seen.set()

    port = made.serve(stack, Waits)
    with connect(port) as client:
        assert client.recv(1) == b"a"
        made.tunnel._process.kill()
        assert seen.wait(30)
    made.tunnel._carrying.join(30)
    assert not made.tunnel._carrying.is_alive()
    assert made.lost == ["it said nothing"]
    with pytest.raises(RunError, match="ended"):
        made.serve(stack, Echo)


def test_a_holder_that_cannot_start_says_why(start: Start, stack: contextlib.ExitStack) -> None:
    made = start("-c", 'raise SystemExit("no such file")')
    with pytest.raises(RunError, match="no such file"):
        made.serve(stack, Echo)
    assert made.lost == ["no such file"]


LISTENING = frame(1, LISTEN, NUMBER.pack(80))
OPENED = LISTENING + frame(7, OPEN, NUMBER.pack(80))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"Traceback (most recent call last):\n", "a frame of"),
        (frame(9, LISTEN, NUMBER.pack(80)), "without a question"),
        (frame(1, LISTEN, b"\0"), "not a number"),
        (frame(1, 0), "kind 0"),
        (LISTENING + frame(7, OPEN, NUMBER.pack(81)), "port 81"),
        (OPENED + frame(7, OPEN, NUMBER.pack(80)), "connection 7"),
        (OPENED + frame(7, DATA, b"x" * PART) * 40, "without credit"),
        (OPENED + frame(7, END) + frame(7, DATA, b"x"), "without credit"),
        (OPENED + frame(7, CREDIT, NUMBER.pack(WINDOW + 1)), "without data"),
        (OPENED + frame(7, CREDIT, NUMBER.pack(2**32 - 1)), "without data"),
        (OPENED + frame(7, STOP) + frame(7, 99), "kind 99"),
        (OPENED + b"".join(frame(n, OPEN, NUMBER.pack(80)) for n in range(1000, 250_000)), "does not read"),
    ],
)
def test_an_image_s_python_that_lies_is_let_go(
    start: Start, stack: contextlib.ExitStack, tmp_path: Path, said: bytes, why: str
) -> None:
    (tmp_path / "said").write_bytes(said)
    program = (
        f'import os, sys, time; os.read(0, 1); data = open("{tmp_path}/said", "rb").read(); '
        "sys.stdout.buffer.write(data); sys.stdout.flush(); time.sleep(60)"
    )
    made = start("-c", program)
    with contextlib.suppress(RunError):
        made.tunnel.serve(80, stack.enter_context(BridgeServer(None, Never)))
    stack.callback(Never.go.clear)
    stack.callback(Never.go.set)
    made.tunnel._carrying.join(60)
    assert len(made.lost) == 1
    with pytest.raises(RunError, match=why):
        made.serve(stack, Echo)


def _resident_mb(pid: int) -> float:
    if sys.platform != "linux":
        return 0
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
