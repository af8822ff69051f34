"""Reads usage from an answer while it passes. Pure: keeps one line or document at most, changes nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from agent.framing import Lines
from agent.proxy.dialects import Dialect, Told

LONGEST = 4 << 20  # bytes of one event, or of an answer that is no stream: more is not read, but estimated
INFLATED = 1 << 20  # bytes at once, whatever a compressed chunk promises
BYTES = 4  # of text for each token, roughly: what is estimated is rather too much
OF_EVENT = 32  # bytes of an event for each token: most of it is JSON


class Tap:
    """Feed it the body's bytes. `told` is what the answer says of itself; without it, `guessed` tokens."""

    def __init__(self, dialect: Dialect, content_type: str, encoding: str) -> None:
        framed = content_type.startswith("application/vnd.amazon.eventstream")
        self.streams = framed or content_type.startswith("text/event-stream")
        self.told = Told()
        self._read = dialect.read
        self._documents: _Documents = _Frames() if framed else _Events() if self.streams else _Whole()
        self._unpack = zlib.decompressobj(47) if encoding in ("gzip", "deflate") else None
        self._readable = encoding in ("", "identity", "gzip", "deflate")
        self._unread = 0  # bytes

    @property
    def guessed(self) -> int:
        return self._documents.guessed + self._unread // BYTES

    def feed(self, chunk: bytes) -> None:
        for piece in self._plain(chunk):
            self._take(self._documents.feed(piece))

    def close(self) -> None:
        self._take(self._documents.close())

    def _take(self, documents: Iterable[bytes]) -> None:
        for document in documents:
            try:
                value = json.loads(document)
                if isinstance(value, dict):
                    self.told = self._read(value, self.told)
            except (ValueError, TypeError, AttributeError, RecursionError):
                continue  # not ours to judge: the CLI gets it as it is

    def _plain(self, chunk: bytes) -> Iterator[bytes]:
        if not self._readable:
            self._unread += len(chunk)
        elif self._unpack is None:
            yield chunk
        else:
            try:
                while chunk:
                    yield self._unpack.decompress(chunk, INFLATED)
                    chunk = self._unpack.unconsumed_tail
            except zlib.error:
                self._readable = False
                self._unread += len(chunk)


class _Documents(Protocol):
    @property
    def guessed(self) -> int: ...

    def feed(self, piece: bytes) -> Iterator[bytes]: ...

    def close(self) -> Iterator[bytes]: ...


class _Events:
    """Server-sent events: those lines of data that speak of usage, or of work in the background."""

    def __init__(self) -> None:
        self._lines = Lines(LONGEST)
        self.guessed = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        return self._of(self._lines.feed(piece))

    def close(self) -> Iterator[bytes]:
        return self._of(self._lines.close())

    def _of(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            if line.startswith(b"data:"):
                self.guessed += 1 + len(line) // OF_EVENT
                if b'"usage"' in line or b'"background"' in line:
                    yield line[5:]


class _Frames:
    """AWS's event stream: length, length of the headers, a checksum, headers, payload, a checksum.

    The payload is JSON with a document in base64. https://smithy.io/2.0/aws/amazon-eventstream.html
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self.guessed = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        self._rest += piece
        while len(self._rest) >= 12:
            length, headers = struct.unpack_from(">II", self._rest)
            if not 16 + headers <= length <= LONGEST:
                self.guessed += len(self._rest) // BYTES
                self._rest.clear()  # no frame: what is left is only estimated
            if len(self._rest) < max(length, 12):
                return
            payload = bytes(self._rest[12 + headers : length - 4])
            del self._rest[:length]
            self.guessed += 1 + len(payload) // OF_EVENT
            with contextlib.suppress(ValueError, TypeError, KeyError):
                yield base64.b64decode(json.loads(payload)["bytes"])

    def close(self) -> Iterator[bytes]:
        return iter(())


class _Whole:
    """One JSON document."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def guessed(self) -> int:
        return self._size // BYTES

    def feed(self, piece: bytes) -> Iterator[bytes]:
        self._size += len(piece)
        if self._size > LONGEST:
            self._parts = []
        else:
            self._parts.append(piece)
        return iter(())

    def close(self) -> Iterator[bytes]:
        if self._parts:
            yield b"".join(self._parts)
