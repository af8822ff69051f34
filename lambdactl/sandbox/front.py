"""The one HTTP front before an emulator: a server and a chain of layers. Knows nothing of AWS.

A layer is `(request, next) -> response`: it may look, wait, answer itself, or change what comes back.
The first layer is the outermost. Tests and benchmarks put a Front before any emulator:

    with Front(moto_url, [record, latency(0.05)]) as front:
        boto3.client("lambda", endpoint_url=front.url)
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from lambdactl.sandbox.messages import HOP_BY_HOP, Layer, Next, Request, Response, Upstream

__all__ = ["Front", "HangUp", "Layer", "Next", "Request", "Response", "chain"]


class HangUp(Exception):
    """A layer raises it to close the client's connection without an answer."""


def chain(layers: Iterable[Layer], last: Next) -> Next:
    """One callable out of many; the first layer sees a request first."""
    for layer in reversed(list(layers)):
        last = partial(_through, layer, last)
    return last


def _through(layer: Layer, following: Next, request: Request) -> Response:
    return layer(request, following)


class Front:
    """A context manager; serves on `url` while it is open. Port 0 takes a free one."""

    def __init__(
        self, upstream: str, layers: Sequence[Layer] = (), *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._upstream = Upstream(upstream)
        self._server = _Server((host, port), _Handler)
        self._server.answer = chain(layers, self._upstream)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}"

    def __enter__(self) -> Front:
        # The default poll of 0.5 s would be how long each close takes.
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._upstream.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # clients keep idle connections open; they do not hold up a close
    request_queue_size = 128
    answer: Next

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own would look the host's name up in DNS

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that hangs up is no news
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one write
    server: _Server

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        headers = tuple(self.headers.items())
        target = self.requestline.split()[1]  # self.path folds "//"
        request = Request(method=self.command, target=target, headers=headers, body=body)
        try:
            response = self.server.answer(request)
        except HangUp:
            self.close_connection = True
            return
        except OSError as error:
            text = f"the emulator does not answer: {error}"
            response = Response(status=502, headers=(("Content-Type", "text/plain"),), body=text.encode())
        self._reply(response)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()  # buffered (wbufsize); the client waits for it before it sends the body
        return True

    def _body(self) -> bytes | None:
        """The whole body, or None when the client hung up in the middle of it."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        return body if len(body) == length else None

    def _chunks(self) -> bytes | None:
        body = bytearray()
        while line := self.rfile.readline(65537):
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                while self.rfile.readline(65537).strip():  # trailers
                    pass
                return bytes(body)
            body += self.rfile.read(size)
            self.rfile.readline(3)
        return None

    def _reply(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if response.status >= 200 and response.status not in (204, 304):
            length = len(response.body) if response.length is None else response.length
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
            # A layer may promise more than it sends (a body cut on its way): nothing follows it.
            self.close_connection |= response.length not in (None, len(response.body))
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: whoever wants to know puts a record layer in."""
