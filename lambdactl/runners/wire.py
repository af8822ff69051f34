"""HTTP/1.1 as runtime clients speak it: requests read whole, answers made. Knows no Lambda, opens nothing.

Not http.server: that caps a header line at 64 KiB, for the whole process, and awslambdaric puts up to
1 MiB of JSON into one (Lambda-Runtime-Function-XRay-Error-Cause).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BufferedIOBase

HEAD_MAX = 4 << 20  # bytes: request line and headers together
CHUNK = 1 << 16


class Malformed(Exception):
    """Not a request; the connection is of no more use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`body` is cut after `body_max` bytes; `size` is what was sent. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int = 0
    trailers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


def read_request(stream: BufferedIOBase, body_max: int) -> Request | None:
    """The next request of a connection; None when the client is done."""
    start = stream.readline(HEAD_MAX)
    if not start.strip():
        return None
    words = start.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed("no request line")
    headers = _headers(stream)
    body = _Body(body_max)
    trailers: Mapping[str, str] = {}
    if "chunked" in headers.get("transfer-encoding", "").lower():
        trailers = _chunks(stream, body)
    else:
        body.take(stream, _number(headers.get("content-length", "0"), 10))
    return Request(
        method=words[0],
        path=words[1].partition("?")[0],
        headers=headers,
        body=bytes(body.kept),
        size=body.size,
        trailers=trailers,
    )


class _Body:
    """Reads all that is sent, since a client that is cut off misses the answer; keeps what is allowed."""

    def __init__(self, most: int) -> None:
        self.most, self.size, self.kept = most, 0, bytearray()

    def take(self, stream: BufferedIOBase, length: int) -> None:
        while length:
            part = stream.read(min(length, CHUNK))
            if not part:
                raise Malformed("the body ends early")
            length -= len(part)
            self.size += len(part)
            self.kept += part[: max(0, self.most - len(self.kept))]


def _headers(stream: BufferedIOBase) -> dict[str, str]:
    headers: dict[str, str] = {}
    left = HEAD_MAX
    while left > 0:
        line = stream.readline(left)
        left -= len(line)
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not line.endswith(b"\n"):
            break
        headers[name.strip().lower()] = value.strip()
    raise Malformed("headers that do not end")


def _chunks(stream: BufferedIOBase, body: _Body) -> dict[str, str]:
    while size := _number(stream.readline(CHUNK).decode("latin-1").partition(";")[0].strip(), 16):
        body.take(stream, size)
        stream.readline(CHUNK)
    return _headers(stream)


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        raise Malformed(f"not a length: {text[:40]!r}") from None
    if number < 0:
        raise Malformed("a length below zero")
    return number
