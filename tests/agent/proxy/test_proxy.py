"""The model proxy between a client and an upstream: what passes, what does not, and hostile clients."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.proxy import Proxy
from tests.agent.proxy.upstream import KEY, Provider, ask, port, provider, proxied, reply, stream


@pytest.fixture
def upstream() -> Iterator[Provider]:
    with provider(reply()) as made:
        yield made


@pytest.fixture
def proxy(upstream: Provider) -> Iterator[Proxy]:
    with proxied(upstream.url) as made:
        yield made


def raw(proxy: Proxy, sent: bytes) -> bytes:
    """All that is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", port(proxy)), timeout=60) as connection:
        found = b""
        with contextlib.suppress(OSError):  # it may have been cut before all was sent
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                found += piece
        return found


def test_the_key_is_added_and_the_clients_own_is_taken_off(upstream: Provider, proxy: Proxy) -> None:
    sent = {
        "anthropic-version": "2023-06-01", "Authorization": "Bearer mine", "Cookie": "c=1", "X-Mine": "yes",
        "Accept-Encoding": "gzip, br", "Proxy-Authorization": "Basic x",
        "Connection": "close, X-Hop", "X-Hop": "1",
    }  # fmt: skip
    assert ask(proxy, path="/v1/messages?beta=true", body=b'{"a": 1}', headers=sent).status == 200
    (seen,) = upstream.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/messages?beta=true", b'{"a": 1}')
    assert seen.headers["x-api-key"] == KEY
    assert seen.headers["accept-encoding"] == "identity"
    assert (seen.headers["anthropic-version"], seen.headers["x-mine"]) == ("2023-06-01", "yes")
    assert seen.headers["host"] == upstream.url.removeprefix("http://")
    assert not {"authorization", "cookie", "proxy-authorization", "x-hop", "connection"} & seen.headers.keys()
    assert proxy.token not in str(seen.headers)


def test_openai_has_its_key_elsewhere_and_a_gateway_its_path(upstream: Provider) -> None:
    with proxied(f"{upstream.url}/gateway/v1/", "openai") as proxy:
        assert proxy.url.endswith("/v1")
        headers = {"x-api-key": "", "authorization": f"Bearer {proxy.token}"}
        assert ask(proxy, path="/v1/responses", headers=headers).status == 200
    (seen,) = upstream.seen
    assert seen.path == "/gateway/v1/responses"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in seen.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("POST", "/v1/files"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/messages/../files"),
        ("POST", "/v1/messages%2f..%2ffiles"),
        ("POST", "/v1/messages/"),
        ("POST", "/v1/messages#/v1/files"),
        ("POST", "http://127.0.0.1:9/v1/messages"),
        ("POST", "http://169.254.169.254/latest/meta-data"),
        ("GET", "/v1/organizations/api_keys"),
        ("GET", "/v1/models/../files"),
        ("POST", "/v1/messages?x=\x7f"),
        ("GET", "/"),
    ],
)
def test_nothing_but_the_models_paths_is_passed_on(
    upstream: Provider, proxy: Proxy, method: str, path: str
) -> None:
    sent = f"{method} {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\nContent-Length: 0\r\n\r\n"
    answer = raw(proxy, sent.encode("latin-1"))
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
    assert upstream.seen == []


@pytest.mark.parametrize("method", ["CONNECT", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_not_known(upstream: Provider, proxy: Proxy, method: str) -> None:
    target = "169.254.169.254:80" if method == "CONNECT" else "/v1/messages"
    sent = f"{method} {target} HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\n\r\n"
    assert raw(proxy, sent.encode()).startswith(b"HTTP/1.1 501")
    assert upstream.seen == []


def test_the_clients_host_leads_nowhere(upstream: Provider, proxy: Proxy) -> None:
    assert ask(proxy, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}).status == 200
    assert upstream.seen[0].headers["host"] == upstream.url.removeprefix("http://")


@pytest.mark.parametrize("token", ["", "another", KEY])
def test_who_lacks_the_token_is_refused(upstream: Provider, proxy: Proxy, token: str) -> None:
    got = ask(proxy, headers={"x-api-key": token})
    assert got.status == 401
    assert json.loads(got.body)["error"]["type"] == "authentication_error"
    assert upstream.seen == []


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: +2",
        "Content-Length: -1",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ],
)
def test_a_body_of_two_lengths_is_none(upstream: Provider, proxy: Proxy, framing: str) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\n{framing}\r\n\r\n{{}}"
    assert raw(proxy, head.encode()).startswith(b"HTTP/1.1 400")
    assert upstream.seen == []


@pytest.mark.parametrize("name", ["Transfer-Encoding ", "X-Api-Key ", "Content-Length\t", "a\x00b", "a(b"])
def test_a_name_that_is_none_is_not_passed_on(upstream: Provider, proxy: Proxy, name: str) -> None:
    """The next server might read it as the header it looks like: another length, another key."""
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\n{name}: chunked\r\n"
    raw(proxy, f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
    assert all("chunked" not in seen.headers.values() for seen in upstream.seen)


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_client_that_ends_too_early_costs_nothing(upstream: Provider, proxy: Proxy, framing: str) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\n{framing}\r\n\r\n5\r\nab"
    assert raw(proxy, head.encode()).startswith(b"HTTP/1.1 400")
    assert proxy.meter.cost == 0


def test_a_body_in_chunks_arrives_whole(upstream: Provider, proxy: Proxy) -> None:
    pieces = [b"x" * size for size in (1, 70_000, 3)]
    assert ask(proxy, body=iter(pieces), headers={"Transfer-Encoding": "chunked"}).status == 200
    assert upstream.seen[0].body == b"".join(pieces)


def test_a_large_body_passes_without_being_kept(upstream: Provider, proxy: Proxy) -> None:
    size = 48 << 20

    def take(handler: Any) -> None:
        reply()(handler)
        upstream.seen.clear()

    upstream.answer = take
    with open("/dev/zero", "rb") as zeros:
        body = (zeros.read(1 << 16) for _ in range(size >> 16))
        before = resident()
        assert ask(proxy, body=body, headers={"Content-Length": str(size)}).status == 200
    assert resident() - before < size * 3  # the upstream of this test, in the same process, keeps it whole


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_answer_comes_as_it_is_made(upstream: Provider, proxy: Proxy) -> None:
    """Each piece is there before the next is made."""
    arrived = threading.Event()
    waited: list[bool] = []
    pieces = [b"event: a\ndata: {}\n\n", b"event: b\n", b"data"]

    def wait() -> None:
        waited.append(arrived.wait(60))
        arrived.clear()

    upstream.answer = stream(pieces[0], wait, pieces[1], wait, pieces[2], wait)
    with socket.create_connection(("127.0.0.1", port(proxy)), timeout=60) as connection:
        head = (
            f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\nContent-Length: 0\r\n\r\n"
        )
        connection.sendall(head.encode())
        found = b""
        for piece in pieces:
            while not found.endswith(piece + b"\r\n"):
                found += connection.recv(65536)
            arrived.set()
        while not found.endswith(b"0\r\n\r\n"):
            found += connection.recv(65536)
    assert waited == [True] * 3
    assert b"content-type: text/event-stream" in found


def test_errors_pass_with_their_advice_and_without_the_key(upstream: Provider, proxy: Proxy) -> None:
    body = json.dumps({"error": {"message": f"the key {KEY} has no credit"}}).encode()
    upstream.answer = reply(
        429, body, retry_after="3", request_id="req_1", location="http://10.0.0.1/", server="internal-7",
        set_cookie="a=b", alt_svc="h3", x_echo=KEY, x_should_retry="true",
    )  # fmt: skip
    got = ask(proxy)
    assert got.status == 429
    assert json.loads(got.body) == {"error": {"message": "the key *** has no credit"}}
    assert {"retry-after", "request-id", "x-should-retry"} <= got.headers.keys()
    assert not {"location", "set-cookie", "alt-svc", "x-echo"} & got.headers.keys()
    assert KEY not in str(got)
    assert "internal" not in str(got.headers)
    assert proxy.meter.cost == 0


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://127.0.0.1:{port}", "connection refused"),
        ("http://no-such-host.invalid", "cannot be resolved"),
    ],
)
def test_an_upstream_that_cannot_be_reached(url: str, what: str) -> None:
    free = closed_port()
    with proxied(url.format(port=free)) as proxy:
        got = ask(proxy, body=b"x" * 1_000_000)
    assert got.status == 502
    message = json.loads(got.body)["error"]["message"]
    assert what in message
    assert str(free) not in message
    assert "invalid" not in message


def test_an_upstream_that_hangs_up(upstream: Provider, proxy: Proxy) -> None:
    upstream.answer = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    assert ask(proxy).status == 502


def test_an_upstream_that_answers_before_it_heard_all(upstream: Provider, proxy: Proxy) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with proxied(f"http://127.0.0.1:{server.getsockname()[1]}") as other:
            got = ask(other, body=b"x" * (8 << 20))
        thread.join()
    assert (got.status, got.body) in ((413, b"{}"), (502, got.body))
    assert other.meter.cost == 0


def test_an_answer_that_breaks_off_breaks_off_here_too(upstream: Provider, proxy: Proxy) -> None:
    upstream.answer = stream(b"data: {}\n\n", whole=False)
    sent = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\nContent-Length: 0\r\n\r\n"
    found = raw(proxy, sent.encode())
    assert found.endswith(b"data: {}\n\n\r\n")


@pytest.mark.parametrize("path", ["/", "/api/hello", "/v1/messages"])
def test_who_asks_whether_it_is_there_is_told_so_and_no_more(
    upstream: Provider, proxy: Proxy, path: str
) -> None:
    assert ask(proxy, "HEAD", path, None).status == 200
    assert upstream.seen == []


def test_headers_are_bounded(upstream: Provider, proxy: Proxy) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nx-api-key: {proxy.token}\r\n".encode()
    for junk in (
        b"a: " + b"x" * 100_000 + b"\r\n",
        b"".join(b"a%d: x\r\n" % number for number in range(200)),
        b"".join(b"a%d: %b\r\n" % (number, b"x" * 8000) for number in range(50)),
    ):
        assert raw(proxy, head + junk + b"\r\n")[:12] in (b"HTTP/1.1 431", b"")
    raw(proxy, b"GET /" + b"x" * 200_000)
    assert upstream.seen == []
    assert ask(proxy).status == 200


def test_a_thousand_connections_and_slow_clients_keep_nobody_out_for_good(
    upstream: Provider, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.proxy.server._Handler.timeout", 0.5)
    idle: list[socket.socket] = []
    threads = threading.active_count()
    try:
        for number in range(1000):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port(proxy)))
            if number % 2:
                with contextlib.suppress(OSError):  # still waiting in the queue
                    connection.send(b"POST /v1/mess")
            idle.append(connection)
            assert threading.active_count() - threads <= 40
    finally:
        for connection in idle[300:]:
            connection.close()
    assert ask(proxy).status == 200
    for connection in idle[:300]:
        connection.close()


def test_a_client_that_vanishes_ends_the_request_there_too(upstream: Provider, proxy: Proxy) -> None:
    gone = threading.Event()
    pieces: list[Any] = [b"data: " + b"x" * 5000 + b"\n\n", lambda: time.sleep(0.005)]

    def endless(handler: Any) -> None:
        try:
            stream(*pieces * 4000)(handler)
        except OSError:
            gone.set()

    upstream.answer = endless
    with socket.create_connection(("127.0.0.1", port(proxy)), timeout=60) as connection:
        sent = (
            f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {proxy.token}\r\nContent-Length: 0\r\n\r\n"
        )
        connection.sendall(sent.encode())
        connection.recv(1000)
    assert gone.wait(60)


def test_the_end_of_a_run_ends_what_is_under_way(upstream: Provider) -> None:
    began, over = threading.Event(), threading.Event()
    upstream.answer = stream(b"data: {}\n\n", began.set, lambda: over.wait(60))
    with proxied(upstream.url) as proxy:
        failed: list[Exception] = []

        def try_it() -> None:
            try:
                ask(proxy)
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=try_it)
        thread.start()
        assert began.wait(60)
    thread.join(60)
    over.set()
    assert failed
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port(proxy)), timeout=5)
    assert proxy.meter.estimated == 1


def test_a_long_line_is_not_kept(upstream: Provider, proxy: Proxy) -> None:
    upstream.answer = stream(*[b"data: " + b"x" * 10] + [b"x" * 100_000] * 400)
    tracemalloc.start()
    try:
        assert len(ask(proxy).body) > 40_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 140_000_000  # the client of this test has it twice


# -- TLS, and the network's own proxy ------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> Iterator[int]:
    """The port of a TLS server that answers any request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        heard = b""
                        while not heard.endswith(b"{}"):
                            heard += secure.recv(65536)
                        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])
def test_authorities_of_the_network(tls: int, certificate: tuple[Path, Path], variable: str) -> None:
    with proxied(f"https://localhost:{tls}", variables={variable: str(certificate[0])}) as proxy:
        assert ask(proxy).status == 200


def test_a_certificate_that_nobody_vouches_for(tls: int, certificate: tuple[Path, Path]) -> None:
    with proxied(f"https://localhost:{tls}") as proxy:
        got = ask(proxy)
    assert got.status == 502
    assert "certificate is not trusted" in got.body.decode()
    with proxied(f"https://127.0.0.1:{tls}", variables={"SSL_CERT_FILE": str(certificate[0])}) as proxy:
        assert ask(proxy).status == 502  # it names localhost


def test_the_networks_proxy_is_used_and_spared(tls: int, certificate: tuple[Path, Path]) -> None:
    """A CONNECT proxy that takes everybody to our server, whatever host is asked for."""
    asked: list[bytes] = []
    trusted = {"SSL_CERT_FILE": str(certificate[0])}
    with socket.create_server(("127.0.0.1", 0)) as server:

        def pump(source: socket.socket, target: socket.socket) -> None:
            try:
                while piece := source.recv(65536):
                    target.sendall(piece)
            except OSError:
                return

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                asked.append(client.recv(65536))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                there = socket.create_connection(("127.0.0.1", tls))
                for ends in ((client, there), (there, client)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        way = f"http://me:pass%40word@127.0.0.1:{server.getsockname()[1]}"
        with proxied("https://model.example", variables={**trusted, "HTTPS_PROXY": way}) as proxy:
            assert ask(proxy).status == 502  # the certificate is not that of model.example
        with proxied(f"https://localhost:{tls}", variables={**trusted, "HTTPS_PROXY": way}) as proxy:
            assert ask(proxy).status == 200  # loopback is never behind it
        server.shutdown(socket.SHUT_RDWR)
    assert len(asked) == 1
    assert asked[0].startswith(b"CONNECT model.example:443 HTTP/1.")
    assert b"Proxy-Authorization: Basic bWU6cGFzc0B3b3Jk" in asked[0]


def test_a_plain_gateway_behind_the_networks_proxy(upstream: Provider) -> None:
    with proxied("http://gateway.internal/base", variables={"http_proxy": upstream.url}) as proxy:
        assert ask(proxy).status == 200
    assert upstream.seen[0].path == "http://gateway.internal/base/v1/messages"
    assert upstream.seen[0].headers["host"] == "gateway.internal"
    spared = {"http_proxy": upstream.url, "NO_PROXY": ".internal"}
    with proxied("http://gateway.internal/base", variables=spared) as proxy:
        assert ask(proxy).status == 502
