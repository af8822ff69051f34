"""Carries TCP connections over one pair of pipes, many at once. Knows no protocol of what it carries.

`Carrier` is either end. As a script (`python -c SOURCE ADDRESS`) this is the end inside a container: it
listens on ADDRESS where it is told to, and ends when its standard input does. The other end is
`tunnel`. Nothing but the standard library of Python 3.9: it runs on the interpreter of an image.

What is sent are frames: a number (of a connection, or of a request to listen), a kind, the length of the
body, the body. Of each connection WINDOW bytes at most are under way in either direction, until CREDIT
comes: one whose reader stops holds these bytes, and nothing of the others'.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import sys
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LISTEN = 1  # body: a port, 0 for any. Answered by the same with the port, or 0 and why not
OPEN = 2  # body: the port that was connected to
DATA = 3  # body: up to PART bytes
CREDIT = 4  # body: how many bytes more may be sent
END = 5  # nothing more comes from the sender
STOP = 6  # the sender reads no more

HEAD = struct.Struct(">IBI")
NUMBER = struct.Struct(">I")
PART = 1 << 15
WINDOW = 1 << 17
FULL = 1 << 18  # bytes of frames that wait for the pipe, from which on no connection is read
MOST_WAITING = 1 << 21  # only the other end's misbehaviour leads here: it lets us answer and does not read
MOST = 128  # connections; 16 MB of windows in either direction
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Broken(Exception):
    """The other end does not keep to this protocol."""


class Frames:
    """Bytes, however they were cut, into whole frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, part: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yields (number, kind, body)."""
        self._held += part
        while len(self._held) >= HEAD.size:
            number, kind, length = HEAD.unpack_from(self._held)
            if length > PART:
                raise Broken(f"a frame of {length} bytes")
            end = HEAD.size + length
            if len(self._held) < end:
                return
            body = bytes(self._held[HEAD.size : end])
            del self._held[:end]
            yield number, kind, body


class Connection:
    """One of them at this end: `reading` from its socket for the other end, `writing` to it from there."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end
        self.reading = self.writing = True
        self.ended = False  # the other end said END; what waits is still written
        self.credit = WINDOW  # bytes that may be sent to the other end
        self.owed = 0  # bytes written to the socket that the other end has no credit for yet
        self.waiting = bytearray()


class Carrier:
    """One end, run by one thread. `inward` and `outward` are descriptors of pipes, or the like."""

    def __init__(self, inward: int, outward: int) -> None:
        self.connections: dict[int, Connection] = {}
        self.running = True
        self._inward, self._outward = inward, outward
        self._frames, self._out = Frames(), bytearray()
        self._selector = selectors.DefaultSelector()
        os.set_blocking(inward, False)
        os.set_blocking(outward, False)
        self.watch(inward, READ, self._receive)

    def run(self) -> None:
        """Until the other end is gone, or `running` is taken back. Broken when it misbehaves."""
        try:
            while self.running:
                self._arrange()
                for key, events in self._selector.select():
                    key.data(events)
        finally:
            for number in list(self.connections):
                self._forget(number)
            self._selector.close()

    def send(self, number: int, kind: int, body: bytes = b"") -> None:
        self._out += HEAD.pack(number, kind, len(body)) + body
        if len(self._out) > MOST_WAITING:
            raise Broken("it does not read what it asks for")

    def add(self, number: int, end: socket.socket) -> None:
        """Carry this socket's connection under this number, and close it in the end."""
        self.connections[number] = Connection(end)

    def refuse(self, number: int) -> None:
        self.send(number, END)
        self.send(number, STOP)

    def watch(self, what: int | socket.socket, events: int, act: Callable[[int], None] | None = None) -> None:
        """Call act(events) when there are any; with events 0, never more."""
        known = self._selector.get_map().get(what)
        if known is None:
            if events:
                self._selector.register(what, events, act)
        elif not events:
            self._selector.unregister(what)
        elif known.events != events:
            self._selector.modify(what, events, act)

    def asked(self, number: int, kind: int, body: bytes) -> None:
        """LISTEN and OPEN mean something else at each end."""
        raise Broken(f"kind {kind}")

    def _arrange(self) -> None:
        self.watch(self._outward, WRITE if self._out else 0, self._flush)
        room = len(self._out) < FULL
        for number, each in self.connections.items():
            wanted = READ if each.reading and each.credit and room else 0
            wanted |= WRITE if each.waiting else 0
            self.watch(each.socket, wanted, partial(self._move, number, each))

    def _receive(self, events: int) -> None:
        try:
            part = os.read(self._inward, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self.running = False
        for number, kind, body in self._frames.feed(part):
            self._take(number, kind, body)

    def _flush(self, events: int) -> None:
        try:
            del self._out[: os.write(self._outward, self._out[: 1 << 16])]
        except BlockingIOError:
            pass
        except OSError:
            self.running = False

    def _take(self, number: int, kind: int, body: bytes) -> None:
        if kind in (LISTEN, OPEN):
            self.asked(number, kind, body)
            return
        if kind not in (DATA, CREDIT, END, STOP):
            raise Broken(f"kind {kind}")
        each = self.connections.get(number)
        if each is None:
            return  # it has ended here, and the other end does not know yet
        if kind == DATA:
            if each.ended or len(each.waiting) + each.owed + len(body) > WINDOW:
                raise Broken("data without credit")
            if each.writing:
                each.waiting += body
        elif kind == CREDIT:
            each.credit += unpacked(body)
            if each.credit > WINDOW:
                raise Broken("credit without data")
        elif kind == END:
            each.ended = True
        else:
            each.reading = False
        self._settle(number, each)

    def _move(self, number: int, each: Connection, events: int) -> None:
        if number not in self.connections:
            return  # it ended in this very round
        if events & WRITE:
            self._write(number, each)
        if events & READ and each.reading:
            self._read(number, each)
        self._settle(number, each)

    def _read(self, number: int, each: Connection) -> None:
        try:
            part = each.socket.recv(min(PART, each.credit))
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if part:
            each.credit -= len(part)
            self.send(number, DATA, part)
        else:
            each.reading = False
            self.send(number, END)
            try:
                each.socket.send(b"")  # fails when it was closed, and not only shut in that direction
            except BlockingIOError:
                pass
            except OSError:
                self._stop(number, each)

    def _write(self, number: int, each: Connection) -> None:
        try:
            written = each.socket.send(each.waiting)
        except BlockingIOError:
            return
        except OSError:
            self._stop(number, each)
            return
        del each.waiting[:written]
        each.owed += written
        if each.owed >= WINDOW // 2 and not each.ended:
            self.send(number, CREDIT, NUMBER.pack(each.owed))
            each.owed = 0

    def _stop(self, number: int, each: Connection) -> None:
        if each.writing:
            each.writing = False
            each.waiting.clear()
            self.send(number, STOP)

    def _settle(self, number: int, each: Connection) -> None:
        if each.ended and each.writing and not each.waiting:
            each.writing = False
            with contextlib.suppress(OSError):  # it is gone already
                each.socket.shutdown(socket.SHUT_WR)
        if not each.reading and not each.writing:
            self._forget(number)

    def _forget(self, number: int) -> None:
        each = self.connections.pop(number)
        self.watch(each.socket, 0)
        each.socket.close()


class Holder(Carrier):
    """The end inside the container."""

    def __init__(self, inward: int, outward: int, address: str) -> None:
        super().__init__(inward, outward)
        self._address = address
        self._last = 0

    def asked(self, number: int, kind: int, body: bytes) -> None:
        if kind != LISTEN:
            raise Broken(f"kind {kind}")
        try:
            door = socket.create_server((self._address, unpacked(body)), backlog=64)
        except OSError as refused:
            self.send(number, LISTEN, NUMBER.pack(0) + str(refused).encode()[:200])
            return
        port = door.getsockname()[1]
        door.setblocking(False)
        self.watch(door, READ, lambda events: self._accept(door, port))
        self.send(number, LISTEN, NUMBER.pack(port))

    def _accept(self, door: socket.socket, port: int) -> None:
        try:
            connection, _ = door.accept()
        except OSError:
            return  # it went away, or there are no descriptors left
        if len(self.connections) >= MOST:
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._last += 1
        self.add(self._last, connection)
        self.send(self._last, OPEN, NUMBER.pack(port))


def unpacked(body: bytes) -> int:
    if len(body) != NUMBER.size:
        raise Broken("not a number")
    return int(NUMBER.unpack(body)[0])


if __name__ == "__main__":
    Holder(0, 1, sys.argv[1]).run()
