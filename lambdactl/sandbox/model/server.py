"""The scripted model as an HTTP server on loopback. The only module here with a socket."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from lambdactl.sandbox.model.answers import KEPT, Model, Request
from lambdactl.sandbox.model.script import Step

LARGEST = 64 << 20  # bytes of a request: more than any CLI sends


class ScriptedModel(Model):
    """Serves while the context is open: `with ScriptedModel(steps=[...]) as model: model.url`.

    `steps` is played to every conversation whose prompt brings no script of its own. With
    `api_key`, a request without that key gets the provider's 401.
    """

    def __init__(
        self,
        *,
        steps: Sequence[Step] = (),
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        kept: int = KEPT,
    ) -> None:
        super().__init__(steps=steps, api_key=api_key, kept=kept)
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"the scripted model binds loopback only, not {host}")
        self._server = _Server((host, port), _Handler)
        self._server.model = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL without `/v1`; both with and without it are served."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    api_key: str | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until `stop` is set; `on_ready` gets the URL."""
    with ScriptedModel(host=host, port=port, api_key=api_key, kept=0) as model:
        on_ready(model.url)
        (stop or threading.Event()).wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    model: Model


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):  # a CLI that was stopped hangs up
            self.close_connection = True

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > LARGEST:
            self.send_error(413)
            return
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        answer = self.server.model.answer(
            Request(
                method=self.command,
                path=self.path,
                headers=tuple(name.lower() for name in self.headers),
                body=self.rfile.read(length),
                key=self.headers.get("x-api-key", "") or bearer,
            )
        )
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("connection", "close")  # marks the end of a stream, and of nothing else
        self.end_headers()
        if self.command == "HEAD":
            return
        for chunk in answer.chunks:
            self.wfile.write(chunk)
            self.wfile.flush()

    do_GET = do_HEAD = do_POST = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: a request line is nobody's business on stderr."""
