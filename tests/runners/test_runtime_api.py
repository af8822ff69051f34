"""The Runtime API on loopback, without a container: what a runtime may ask, when, and what it gets."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from ipaddress import IPv4Network

import pytest

from lambdactl.runners.protocol import RESPONSE_MAX
from lambdactl.runners.relay import RelayServer
from lambdactl.runners.runtime_api import Event, Outcome, RuntimeApi
from lambdactl.runners.runtime_server import RuntimeServer
from lambdactl.runners.wire import Request

row = pytest.mark.row
NEXT = "/2018-06-01/runtime/invocation/next"
INIT_ERROR = "/2018-06-01/runtime/init/error"
EVENT = Event(
    request_id="r-1",
    function_arn="arn:f",
    body=b'{"a": 1}',
    deadline=time.monotonic() + 3600,
    invocation_id="i-1",
)


def of(request_id: str, end: str = "response") -> str:
    return f"/2018-06-01/runtime/invocation/{request_id}/{end}"


@pytest.fixture
def api() -> RuntimeApi:
    made = RuntimeApi("token")
    made.offer(EVENT)
    return made


@pytest.fixture
def server(api: RuntimeApi) -> Iterator[RuntimeServer]:
    with RuntimeServer(api, ("127.0.0.1", 0)) as served:
        yield served


@pytest.fixture
def client(server: RuntimeServer) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    yield connection
    connection.close()


def ask(
    client: HTTPConnection, method: str, path: str, body: bytes | None = None, **headers: str
) -> HTTPResponse:
    """With the id of the invocation, as runtimes send it, unless another or none ("") is given."""
    given = {"Lambda_Runtime_Invocation_Id": EVENT.invocation_id, **headers}
    sent = {name.replace("_", "-"): value for name, value in given.items() if value}
    client.request(method, path, body, sent)
    return client.getresponse()


def said(response: HTTPResponse) -> tuple[int, str]:
    return response.status, json.loads(response.read())["errorType"]


@row("deadline")
@row("request-id")
@row("arn")
@row("trace")
def test_an_event_is_handed_out_and_answered_on_one_connection(
    api: RuntimeApi, client: HTTPConnection
) -> None:
    response = ask(client, "GET", NEXT)
    assert (response.status, response.read()) == (200, b'{"a": 1}')
    assert response.headers["Lambda-Runtime-Aws-Request-Id"] == "r-1"
    assert response.headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:f"
    assert response.headers["Lambda-Runtime-Invocation-Id"] == "i-1"
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Lambda-Runtime-Trace-Id"].startswith("Root=1-")
    left = int(response.headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time()
    assert left == pytest.approx(EVENT.deadline - time.monotonic(), abs=1)
    socket_before = client.sock
    response = ask(client, "POST", of("r-1"), b"done", Lambda_Runtime_Invocation_Id="i-1")
    assert (response.status, response.read()) == (202, b'{"status":"OK"}\n')
    assert client.sock is socket_before
    assert api.outcome == Outcome("response", b"done")


def test_ping(client: HTTPConnection) -> None:
    assert ask(client, "GET", "/2018-06-01/ping").read() == b"pong"


@pytest.mark.parametrize(
    "path", ["/", "/2018-06-01/runtime/invocation", "/2015-03-31/functions/f/invocations"]
)
def test_other_paths(client: HTTPConnection, path: str) -> None:
    assert said(ask(client, "GET", path)) == (404, "NotFound")


@row("api-headers")
def test_an_error_with_a_header_of_a_megabyte(api: RuntimeApi, client: HTTPConnection) -> None:
    ask(client, "GET", NEXT).read()
    headers = {"Lambda_Runtime_Function_XRay_Error_Cause": "x" * (1 << 20)}
    headers["Lambda_Runtime_Function_Error_Type"] = "ValueError"
    assert ask(client, "POST", of("r-1", "error"), b"{}", **headers).status == 202
    assert api.outcome == Outcome("error", b"{}", "ValueError")


def test_headers_without_end_are_refused(server: RuntimeServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 400 ")


@row("api-states")
def test_an_unknown_request(client: HTTPConnection) -> None:
    ask(client, "GET", NEXT).read()
    assert said(ask(client, "POST", of("r-2"), b"")) == (400, "InvalidRequestID")


@row("api-invocation-id")
@pytest.mark.parametrize("end", ["response", "error"])
@pytest.mark.parametrize("invocation_id", ["i-0", ""])
def test_only_who_got_the_event_can_answer_it(
    api: RuntimeApi, client: HTTPConnection, end: str, invocation_id: str
) -> None:
    """A process that the function started knows the request's id, and can talk to this port."""
    ask(client, "GET", NEXT).read()
    answer = ask(client, "POST", of("r-1", end), b"", Lambda_Runtime_Invocation_Id=invocation_id)
    assert said(answer) == (410, "InvalidInvocationID")
    assert api.outcome is None


@row("api-states")
def test_an_answer_before_the_event_and_a_second_one(api: RuntimeApi, client: HTTPConnection) -> None:
    assert said(ask(client, "POST", of("r-1"), b"early")) == (403, "InvalidStateTransition")
    ask(client, "GET", NEXT).read()
    assert ask(client, "POST", of("r-1"), b"first").read()
    assert said(ask(client, "POST", of("r-1"), b"second")) == (403, "InvalidStateTransition")
    assert api.outcome == Outcome("response", b"first")


@row("api-states")
def test_a_second_event_while_one_runs(client: HTTPConnection) -> None:
    ask(client, "GET", NEXT).read()
    assert said(ask(client, "GET", NEXT)) == (403, "InvalidStateTransition")


@row("api-response-size")
@pytest.mark.parametrize(("size", "status"), [(RESPONSE_MAX, 202), (RESPONSE_MAX + 1, 413), (8 << 20, 413)])
def test_the_limit_of_a_response(api: RuntimeApi, client: HTTPConnection, size: int, status: int) -> None:
    ask(client, "GET", NEXT).read()
    response = ask(client, "POST", of("r-1"), b"x" * size)
    assert response.status == status
    body = json.loads(response.read())
    if status == 413:
        assert body == {
            "errorMessage": "Exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "RequestEntityTooLarge",
        }
    assert api.outcome
    assert api.outcome.kind == ("response" if status == 202 else "too_large")


@row("api-chunks")
def test_a_response_in_chunks_with_an_error_at_its_end(api: RuntimeApi, server: RuntimeServer) -> None:
    """As the Node.js runtime streams."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        raw.sendall(f"GET {NEXT} HTTP/1.1\r\n\r\n".encode())
        raw.recv(4096)
        raw.sendall(f"POST {of('r-1')} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n".encode())
        raw.sendall(b"Lambda-Runtime-Invocation-Id: i-1\r\n\r\n")
        raw.sendall(b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n")
        raw.sendall(b"Lambda-Runtime-Function-Error-Type: Late\r\n")
        raw.sendall(b"Lambda-Runtime-Function-Error-Body: e30=\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 202 ")
    assert api.outcome == Outcome("error", b"{}", "Late")


@row("api-chunks")
def test_a_response_in_chunks(api: RuntimeApi, client: HTTPConnection) -> None:
    ask(client, "GET", NEXT).read()
    headers = {"Lambda-Runtime-Invocation-Id": "i-1"}
    client.request("POST", of("r-1"), iter([b"hello", b" world"]), headers, encode_chunked=True)
    assert client.getresponse().status == 202
    assert api.outcome == Outcome("response", b"hello world")


@row("api-init-error")
def test_a_failed_start(api: RuntimeApi, client: HTTPConnection) -> None:
    answer = ask(
        client, "POST", INIT_ERROR, b"{}", Lambda_Runtime_Function_Error_Type="Runtime.ImportModuleError"
    )
    assert answer.status == 202
    assert api.outcome == Outcome("init_error", b"{}", "Runtime.ImportModuleError")


@row("api-init-error")
def test_a_failed_start_after_the_start(client: HTTPConnection) -> None:
    ask(client, "GET", NEXT).read()
    assert said(ask(client, "POST", INIT_ERROR, b"{}")) == (403, "InvalidStateTransition")


def test_an_event_is_not_lost_to_a_client_that_is_gone(api: RuntimeApi) -> None:
    """It asks and is gone before it can be answered; the next one gets the event."""
    request = Request(method="GET", path=NEXT)
    assert api.answer(request, lambda: False) is None
    assert not api.running
    answer = api.answer(request, lambda: True)
    assert answer
    assert answer.body == b'{"a": 1}'


def test_waiting_clients_are_let_go_at_the_end(api: RuntimeApi) -> None:
    with RuntimeServer(api, ("127.0.0.1", 0)) as server:
        client = HTTPConnection("127.0.0.1", server.port, timeout=60)
        ask(client, "GET", NEXT).read()
        ask(client, "POST", of("r-1"), b"done").read()
        client.request("GET", NEXT)
    with pytest.raises(ConnectionError):
        client.getresponse()


def test_only_peers_of_the_bridge_are_served(api: RuntimeApi) -> None:
    with RuntimeServer(api, ("127.0.0.1", 0), IPv4Network("169.254.100.0/24")) as server:
        client = HTTPConnection("127.0.0.1", server.port, timeout=60)
        with pytest.raises((ConnectionError, OSError)):
            ask(client, "GET", NEXT)
    assert api.ready_at is None


def test_more_connections_than_a_runtime_needs_are_refused(
    client: HTTPConnection, server: RuntimeServer
) -> None:
    assert ask(client, "GET", "/2018-06-01/ping").read() == b"pong"
    with contextlib.ExitStack() as stack:
        many = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(30)]
        for each in many:
            stack.enter_context(each)
        assert many[-1].recv(1) == b""
        assert ask(client, "GET", "/2018-06-01/ping").read() == b"pong"


def test_a_relay_passes_both_directions_and_their_ends(server: RuntimeServer) -> None:
    with RelayServer("127.0.0.1", ("127.0.0.1", server.port)) as relay:
        client = HTTPConnection("127.0.0.1", relay.port, timeout=60)
        assert ask(client, "GET", "/2018-06-01/ping").read() == b"pong"
        client.close()


def test_a_relay_to_nobody_ends_the_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with RelayServer("127.0.0.1", ("127.0.0.1", nobody.getsockname()[1])) as relay:
            client = HTTPConnection("127.0.0.1", relay.port, timeout=60)
            with pytest.raises(ConnectionError):
                ask(client, "GET", "/")


@row("metadata")
def test_the_metadata_endpoint_wants_its_token(client: HTTPConnection) -> None:
    path = "/2026-01-15/metadata/execution-environment"
    assert said(ask(client, "GET", path)) == (401, "Unauthorized")
    assert said(ask(client, "GET", path, Authorization="Bearer other")) == (401, "Unauthorized")
    answer = ask(client, "GET", path, Authorization="Bearer token")
    assert json.loads(answer.read()) == {"AvailabilityZoneID": "use1-az1"}
    assert answer.headers["Cache-Control"] == "private, max-age=43200, immutable"


@row("client-context")
@row("api-states")
def test_a_second_event_for_the_same_runtime(api: RuntimeApi, client: HTTPConnection) -> None:
    """The runtime waits for it; what it says of the first one is refused."""
    ask(client, "GET", NEXT).read()
    assert ask(client, "POST", of("r-1"), b"1").read()
    assert api.outcome == Outcome("response", b"1")
    second = replace(EVENT, request_id="r-2", invocation_id="i-2", trace_id="Root=1", client_context="{}")
    timer = threading.Timer(0.2, api.offer, [second])
    timer.start()
    handed = ask(client, "GET", NEXT)
    assert (handed.headers["Lambda-Runtime-Aws-Request-Id"], handed.read()) == ("r-2", EVENT.body)
    assert handed.headers["Lambda-Runtime-Trace-Id"] == "Root=1"
    assert handed.headers["Lambda-Runtime-Client-Context"] == "{}"
    assert api.outcome is None
    assert said(ask(client, "POST", of("r-1"), b"1")) == (400, "InvalidRequestID")
    assert said(ask(client, "POST", of("r-2"), b"1")) == (410, "InvalidInvocationID")
    assert ask(client, "POST", of("r-2"), b"2", Lambda_Runtime_Invocation_Id="i-2").status == 202
    assert api.outcome == Outcome("response", b"2")


def test_an_event_that_was_withdrawn_is_not_handed_out(api: RuntimeApi) -> None:
    api.withdraw()
    looks = iter([True, False])
    request = Request(method="GET", path=NEXT)
    assert api.answer(request, lambda: next(looks, False)) is None
    assert not api.running


def test_logs_and_telemetry_are_answered_as_by_aws_s_emulator(client: HTTPConnection) -> None:
    assert said(ask(client, "PUT", "/2022-07-01/telemetry", b"{}")) == (202, "Telemetry.NotSupported")
    assert said(ask(client, "PUT", "/2020-08-15/logs", b"{}")) == (202, "Telemetry.NotSupported")
