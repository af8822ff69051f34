"""HTTP messages as values, and the one function that sends one on. Knows nothing of AWS.

Bodies are whole: the emulators hold every object in memory anyway, and a layer that must read or
change a body then needs no second way.
"""

from __future__ import annotations

import http.client
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

# Headers that belong to one connection, not to the message (RFC 9110, 7.6.1), and what we answer
# ourselves: `Expect`, `Content-Length` (bodies are whole, so it is known anew).
HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
Headers = tuple[tuple[str, str], ...]


def header(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    target: str  # path and query exactly as sent: a signature covers them
    headers: Headers = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """The first header of this lower-case name, or ""."""
        return header(self.headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """`length` is what HEAD says of a body that is not sent; None means the body's own."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    length: int | None = None

    def header(self, name: str) -> str:
        return header(self.headers, name)

    def with_body(self, body: bytes) -> Response:
        """The same answer with another body; checksums of the old one go."""
        kept = tuple((k, v) for k, v in self.headers if not k.lower().startswith("x-amz-crc32"))
        return replace(self, headers=kept, body=body)


Next = Callable[[Request], Response]
Layer = Callable[[Request, Next], Response]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket that is a file: only who may open its folder can connect."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(url: str, timeout: float) -> http.client.HTTPConnection:
    """A connection, not yet open, to `http://host:port` or `unix:/path`."""
    if url.startswith("unix:"):
        return UnixConnection(url.removeprefix("unix:"), timeout)
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout)


class Upstream:
    """Sends requests to one server over connections that are kept and used again. Thread-safe."""

    def __init__(self, url: str, timeout: float = 900) -> None:
        self._url, self._timeout = url, timeout
        self._idle: deque[http.client.HTTPConnection] = deque()

    def __call__(self, request: Request) -> Response:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._send(connect(self._url, self._timeout), request)
        try:
            return self._send(connection, request)
        except (http.client.RemoteDisconnected, ConnectionError):
            # The server had closed an idle connection before it read this request.
            connection.close()
            return self._send(connect(self._url, self._timeout), request)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _send(self, connection: http.client.HTTPConnection, request: Request) -> Response:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            if name.lower() not in HOP_BY_HOP:
                connection.putheader(name, value)
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        body = answer.read()
        if answer.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        declared = answer.getheader("content-length")
        return Response(
            status=answer.status,
            headers=tuple((k, v) for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP),
            body=body,
            length=int(declared) if declared and request.method == "HEAD" else None,
        )
