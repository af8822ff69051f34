"""The proxy's socket on loopback: lets in who has this run's token, a bounded number at once."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import socket
import threading
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any

from agent.proxy.dialects import Dialect
from agent.proxy.exchange import Exchange
from agent.proxy.meter import Meter
from agent.proxy.signing import Signer
from agent.proxy.upstream import Upstream

AT_ONCE = 32  # requests; others wait in the kernel's queue
HEAD = 64 << 10  # bytes of a request's line and headers
HEAD_TIME = 10.0  # seconds between two bytes of them
ENDING = 2.0  # seconds for what is under way when the run is over


class Proxy:
    """Serves while the context is open. The client sends `token` where the model's key would be; `key` goes
    to the upstream and nowhere else."""

    def __init__(
        self, dialect: Dialect, upstream: Upstream, key: str, meter: Meter, signer: Signer | None = None
    ) -> None:
        self.dialect, self.upstream, self.key, self.meter = dialect, upstream, key, meter
        self.signer = signer
        self.token = f"lambdactl-{secrets.token_urlsafe(24)}"
        self.closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL for the CLI."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.dialect.mount}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing of it goes on: a sandbox of Lambda's is used again."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.meter.close(ENDING)
        self._thread.join(ENDING)

    @contextlib.contextmanager
    def open(self, connection: socket.socket) -> Any:
        """A socket that is to be cut when the run is over."""
        with self._lock:
            self._sockets.add(connection)
        try:
            if self.closing.is_set():
                raise ConnectionAbortedError
            yield
        finally:
            with self._lock:
                self._sockets.discard(connection)


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self._slots = threading.Semaphore(AT_ONCE)
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        while not self._slots.acquire(timeout=0.05):
            if self.proxy.closing.is_set():
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started: an agent may have used them all up
            self._slots.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: clients vanish, and a trace would show what they sent."""


class _Handler(BaseHTTPRequestHandler):
    """One request, then the connection is closed: on loopback a new one costs nothing."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "lambdactl", ""
    timeout = HEAD_TIME
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.rfile = _Bounded(self.rfile)  # type: ignore[assignment]

    def handle(self) -> None:
        with self.server.proxy.open(self.connection):
            self.close_connection = True
            self.handle_one_request()

    def _handle(self) -> None:
        self.close_connection = True
        Exchange(self, self.server.proxy).run()

    do_GET = do_HEAD = do_POST = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: what is asked is nobody's business."""


class _Bounded:
    """The client's stream, whose lines are not to exceed `HEAD` bytes together; a body has no lines."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self._left = HEAD

    def readline(self, limit: int = -1) -> bytes:
        line = self._stream.readline(min(limit, self._left + 1) if limit >= 0 else self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.LineTooLong("header")
        return line

    def read1(self, size: int) -> bytes:
        return self._stream.read1(size)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()

    @property
    def closed(self) -> bool:
        return self._stream.closed
