"""The way into a run's network whose bridge is not on this machine: no port is published, nothing listens.

A container on that network, the holder, listens at the address at which Lambda has its Runtime API, and
carries each connection over its standard input and output to this process (`holder_script`), which hands
it to a server. It is made of the function's own image (`create`), so that nothing has to be brought to the
engine, and ends by itself when this process does. What comes from it is as little trusted as the function.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from lambdactl.container import Engine, last_words
from lambdactl.errors import RunError
from lambdactl.runners.bridge import BridgeServer
from lambdactl.runners.holder_script import LISTEN, MOST, NUMBER, OPEN, READ, Broken, Carrier, unpacked
from lambdactl.runners.owner import PATIENCE

LAST_WORDS = 4096  # bytes of what the holder, or the engine of it, said at its end
ENDING = 5.0  # seconds


class Tunnel:
    """Starts a holder that was made, and ends with `close`, which lets it end.

    `lost` is told, by another thread, why the holder ended before its time; all connections then have.
    """

    def __init__(self, engine: Engine, holder: str, lost: Callable[[str], None]) -> None:
        self._lost, self._words = lost, b""
        self._closing = False
        self._process = engine.spawn(
            "start",
            "--attach",
            "--interactive",
            holder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._end = _End(self._process.stdout.fileno(), self._process.stdin.fileno())
        self._reading = threading.Thread(target=self._read_words, daemon=True)
        self._carrying = threading.Thread(target=self._carry, daemon=True)
        self._reading.start()
        self._carrying.start()

    def serve(self, port: int, server: BridgeServer) -> int:
        """Have connections to this port of the network's address reach `server`; the port, if it was 0.

        From when this returns. A port may get another server. RunError when the holder cannot listen there.
        """
        wish = _Wish(port, server)
        self._end.wish(wish)
        try:
            return wish.answer.result(PATIENCE)
        except TimeoutError:
            raise RunError(f"the holder of the run's network did not listen within {PATIENCE:g} s") from None

    def close(self) -> None:
        self._closing = True
        self._end.wish(None)
        self._carrying.join(ENDING)
        self._process.kill()  # its input ends with it, and the holder with that
        self._process.wait()
        self._reading.join(ENDING)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe
            pipe.close()

    def _carry(self) -> None:
        why = ""
        try:
            self._end.run()
        except Broken as broken:
            why = f"it sent what it may not: {broken}"
            self._process.kill()
        finally:
            assert self._process.stdin
            self._process.stdin.close()  # docker's client waits for this, too, before its last words
            if not self._closing:
                self._reading.join(ENDING)
                why = why or last_words(self._words) or "it said nothing"
                self._lost(why)
            self._end.over(why)

    def _read_words(self) -> None:
        assert self._process.stderr
        with contextlib.suppress(OSError, ValueError):
            while part := self._process.stderr.read(LAST_WORDS):
                self._words = (self._words + part)[-LAST_WORDS:]


@dataclass(frozen=True, slots=True)
class _Wish:
    """To have a port of the network's address served."""

    port: int
    server: BridgeServer
    answer: Future[int] = field(default_factory=Future)


class _End(Carrier):
    """The end in this process. `wish` and `over` may be called by any thread, `run` by one."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__(inward, outward)
        self._servers: dict[int, BridgeServer] = {}
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._asked: dict[int, _Wish] = {}
        self._last = 0
        self._over: RunError | None = None
        self._lock = threading.Lock()
        self._waker, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self.watch(self._wake, READ, self._grant)

    def wish(self, wish: _Wish | None) -> None:
        """None: to end."""
        with self._lock:
            if self._over and wish:
                raise self._over
            self._wishes.put(wish)
            with contextlib.suppress(OSError):  # full of calls to wake up, or over
                self._waker.send(b"!")

    def over(self, why: str) -> None:
        """Nobody runs it any more: whoever waits, or comes later, is told so."""
        with self._lock:
            self._over = RunError(
                "the holder of the run's network ended",
                why=why,
                hint="it is made of the function's image and runs that image's python3",
            )
            while not self._wishes.empty():
                if wish := self._wishes.get():
                    wish.answer.set_exception(self._over)
            for wish in self._asked.values():
                wish.answer.set_exception(self._over)
            self._wake.close()
            self._waker.close()

    def asked(self, number: int, kind: int, body: bytes) -> None:
        if kind == OPEN:
            self._open(number, unpacked(body))
            return
        port = unpacked(body[: NUMBER.size])
        wish = self._asked.pop(number, None)
        if wish is None:
            raise Broken("an answer without a question")
        if port:
            self._servers[port] = wish.server
            wish.answer.set_result(port)
        else:
            why = body[NUMBER.size :].decode(errors="replace")
            wish.answer.set_exception(RunError("the holder of the run's network cannot listen", why=why))

    def _open(self, number: int, port: int) -> None:
        server = self._servers.get(port)
        if number in self.connections or server is None:
            raise Broken(f"a connection {number} to port {port}")
        if len(self.connections) >= MOST:
            self.refuse(number)
            return
        try:
            ours, servers = socket.socketpair()
        except OSError:
            self.refuse(number)
            return
        self.add(number, ours)
        server.adopt(servers)

    def _grant(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(64)
        while not self._wishes.empty():
            wish = self._wishes.get()
            if wish is None:
                self.running = False
                return
            if wish.port in self._servers:
                self._servers[wish.port] = wish.server
                wish.answer.set_result(wish.port)
                continue
            self._last += 1
            self._asked[self._last] = wish
            self.send(self._last, LISTEN, NUMBER.pack(wish.port))
