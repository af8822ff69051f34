"""A request's body as it comes, whatever way its length is told. Reads the client's stream only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from email.message import Message
from typing import Any

CHUNK = 64 << 10


class BadRequest(Exception):
    """The client's framing is not one."""


class Body:
    """`length` is None where the body comes in chunks. `size` is what was read of it so far."""

    def __init__(self, stream: Any, headers: Message) -> None:
        self._stream = stream
        self.length = _length(headers)
        self.size = 0
        self._kept: bytes | None = None

    def __iter__(self) -> Iterator[bytes]:
        """What is left of it; raises BadRequest when the client ends too early."""
        if self._kept is not None:
            kept, self._kept = self._kept, b""
            return iter((kept,) if kept else ())
        if self.length is None:
            return self._chunked()
        return self._exactly(self.length - self.size)

    def keep(self, largest: int) -> bytes:
        """All of it at once, for who must know it before it is sent on."""
        content = bytearray()
        for piece in self:
            content += piece
            if len(content) > largest:
                raise BadRequest(f"the request has more than {largest:,} bytes")
        self.length, self._kept = len(content), bytes(content)
        return self._kept

    def _exactly(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._read(min(left, CHUNK))
            left -= len(piece)
            self.size += len(piece)
            yield piece

    def _chunked(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield from self._exactly(size)
            self._line()
        while self._line():
            continue  # trailers

    def _chunk_size(self) -> int:
        text = self._line().partition(b";")[0].strip()
        if not text or len(text) > 8 or text.strip(b"0123456789abcdefABCDEF"):
            raise BadRequest("the request's chunks cannot be read")
        return int(text, 16)

    def _line(self) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            if len(line) > 1024:
                raise BadRequest("the request's chunks cannot be read")
            line += self._read(1)
        return bytes(line).strip()

    def _read(self, size: int) -> bytes:
        with contextlib.suppress(OSError):
            if piece := self._stream.read1(size):
                return bytes(piece)
        raise BadRequest("the request ended before its body did")


def _length(headers: Message) -> int | None:
    """One length, told in one way: two would be read differently by the next server."""
    lengths, encodings = headers.get_all("content-length", []), headers.get_all("transfer-encoding", [])
    if encodings:
        if lengths or [each.strip().lower() for each in encodings] != ["chunked"]:
            raise BadRequest("the request's length is told in two ways, or in one that is not known")
        return None
    if len(lengths) > 1 or not all(each.isascii() and each.isdigit() for each in lengths):
        raise BadRequest("the request's length is no number")
    return int(lengths[0]) if lengths else 0
