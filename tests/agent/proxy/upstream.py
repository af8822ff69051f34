"""An upstream that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent.prices import Price
from agent.proxy import Meter, Proxy
from agent.proxy.dialects import DIALECTS
from agent.proxy.meter import Limits
from agent.proxy.upstream import Upstream

KEY = "made-up-key-of-the-proxys-tests"
PRICES = {
    "cheap": Price(input=1, output=10, cache_read=0.1, cache_write=2),
    "dear": Price(input=100, output=1000, cache_read=10, cache_write=200),
}
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Provider:
    """`answer` writes the whole answer with the handler it gets."""

    answer: Answer
    seen: list[Seen] = field(default_factory=list)
    url: str = ""


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def stream(*pieces: bytes | Callable[[], object], whole: bool = True) -> Answer:
    """Chunks, with calls in between; without `whole` it breaks off."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            if isinstance(piece, bytes):
                handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                piece()
        if whole:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


@contextmanager
def provider(answer: Answer) -> Iterator[Provider]:
    made = Provider(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            self.close_connection = True
            if self.headers.get("transfer-encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.seen.append(Seen(self.command, self.path, headers, body))
            made.answer(self)

        do_GET = do_POST = _handle

        def log_message(self, format: str, *args: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def proxied(
    url: str, name: str = "anthropic", variables: Mapping[str, str] | None = None, **limits: Any
) -> Iterator[Proxy]:
    meter = Meter(PRICES, Limits(**limits), "cheap")
    upstream = Upstream(base=url, variables=variables or {})
    with Proxy(DIALECTS[name], upstream, KEY, meter) as proxy:
        yield proxy


@dataclass
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    proxy: Proxy,
    method: str = "POST",
    path: str = "/v1/messages",
    body: Any = b"{}",
    headers: Mapping[str, str] | None = None,
) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", port(proxy), timeout=60)
    try:
        sent = {"x-api-key": proxy.token, **(headers or {})}
        connection.request(method, path, body, sent, encode_chunked="Transfer-Encoding" in sent)
        answer = connection.getresponse()
        content = answer.read()
        return Got(answer.status, {n.lower(): v for n, v in answer.getheaders()}, content)
    finally:
        connection.close()


def port(proxy: Proxy) -> int:
    return int(proxy.url.split(":")[2].partition("/")[0])
