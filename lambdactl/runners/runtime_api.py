"""AWS's Lambda Runtime API for one runtime: what may be asked, and when. Opens nothing, knows no engine.

One event at a time, as in Lambda. Who runs the sandbox offers events and watches `changed`;
`runtime_server` is the way in.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Literal

from lambdactl.runners import trace
from lambdactl.runners.protocol import RESPONSE_MAX
from lambdactl.runners.wire import Answer, Request

API = "/2018-06-01/"
RUNTIME = f"{API}runtime/"
METADATA = "/2026-01-15/metadata/execution-environment"  # AWS Lambda, "metadata endpoint"
ZONE = "use1-az1"  # as AWS's own emulator says
TELEMETRY = ("/2020-08-15/logs", "/2022-07-01/telemetry")  # answered as AWS's own emulator does
ALIVE_EVERY = 0.2  # seconds between looks whether a waiting client is still there
ERROR_TYPE = "lambda-runtime-function-error-type"
ERROR_BODY = "lambda-runtime-function-error-body"  # base64, a trailer of streamed responses


class State(Enum):
    INIT = "init"  # the runtime is starting
    READY = "ready"  # it waits for an event
    RUNNING = "running"  # it has one
    DONE = "done"  # it has answered and not asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`deadline` is a time of `time.monotonic`; `client_context` is JSON."""

    request_id: str
    function_arn: str
    body: bytes = field(repr=False)
    deadline: float
    trace_id: str = ""
    client_context: str = ""
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the runtime said. `error`: of the handler; `init_error`: of its start; `too_large`: a response."""

    kind: Literal["response", "error", "init_error", "too_large"]
    body: bytes = b""
    error_type: str = ""


class RuntimeApi:
    """The state of one runtime. Times are those of `time.monotonic`, None while it has not happened.

    `outcome` is that of the latest event, or of a start that failed. `metadata_token` opens the metadata
    endpoint.
    """

    def __init__(self, metadata_token: str = "") -> None:
        self.changed = threading.Event()
        self.outcome: Outcome | None = None
        self.ready_at: float | None = None
        self.answered_at: float | None = None
        self._token = metadata_token
        self._event: Event | None = None
        self._waiting = False  # the event is not handed out yet
        self._on_dispatch: Callable[[], None] = lambda: None
        self._state = State.INIT
        self._condition = threading.Condition()
        self._closed = False

    @property
    def idle(self) -> bool:
        """It waits for an event, and there is none."""
        return self._state is State.READY and not self._waiting

    @property
    def running(self) -> bool:
        """It has an event that it did not answer yet."""
        return self._state is State.RUNNING

    def offer(self, event: Event, on_dispatch: Callable[[], None] = lambda: None) -> None:
        """To the runtime as soon as it asks. The one before has its outcome."""
        with self._condition:
            assert not self._waiting
            assert not self.running
            self._event, self._waiting, self.outcome = event, True, None
            self._on_dispatch = on_dispatch
            self._condition.notify_all()

    def withdraw(self) -> None:
        """An event that was not handed out stays here: a start that is under way gets none."""
        with self._condition:
            self._waiting = False

    def close(self) -> None:
        """Let go of clients that wait."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def answer(self, request: Request, alive: Callable[[], bool]) -> Answer | None:
        """The answer to a request; None when nobody is there to get it."""
        post = request.method == "POST"
        if request.path == f"{API}ping":
            return Answer(HTTPStatus.OK, b"pong")
        if request.path == METADATA:
            return self._metadata(request)
        if request.path in TELEMETRY and request.method == "PUT":
            return refused(HTTPStatus.ACCEPTED, "Telemetry.NotSupported", "Telemetry API is not supported")
        if not request.path.startswith(RUNTIME):
            return refused(HTTPStatus.NOT_FOUND, "NotFound", f"no such path: {request.path}")
        match request.path.removeprefix(RUNTIME).split("/"):
            case ["invocation", "next"] if not post:
                return self._next(alive)
            case ["invocation", request_id, "response"] if post:
                return self._answered(request, request_id, _response(request))
            case ["invocation", request_id, "error"] if post:
                return self._answered(request, request_id, _error(request, "error"))
            case ["init", "error"] if post:
                return self._init_error(_error(request, "init_error"))
        return refused(HTTPStatus.NOT_FOUND, "NotFound", f"no such path: {request.path}")

    def _next(self, alive: Callable[[], bool]) -> Answer | None:
        with self._condition:
            if self._state is State.RUNNING:
                return _wrong_state(self._state)
            self._state = State.READY
            self.ready_at = self.ready_at or time.monotonic()
            self.changed.set()
            while not self._waiting and not self._closed and alive():
                self._condition.wait(ALIVE_EVERY)
            # An event handed to a client that is gone would be lost: look once more.
            if not self._waiting or self._closed or not alive():
                return None
            assert self._event
            self._waiting, self._state = False, State.RUNNING
            event = self._event
        self._on_dispatch()
        self.changed.set()
        return Answer(HTTPStatus.OK, event.body, _headers(event))

    def _answered(self, request: Request, request_id: str, outcome: Outcome) -> Answer:
        with self._condition:
            if self._event is None or request_id != self._event.request_id:
                return refused(HTTPStatus.BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
            if self._state is not State.RUNNING:
                return _wrong_state(self._state)
            # Only who got the event knows this id, so no other process of the sandbox can answer for the
            # runtime. Stricter than Lambda, which takes answers without it from older runtimes.
            if request.headers.get("lambda-runtime-invocation-id") != self._event.invocation_id:
                return refused(HTTPStatus.GONE, "InvalidInvocationID", "That invocation is over")
            self._end(outcome)
        return _too_large() if outcome.kind == "too_large" else _accepted()

    def _init_error(self, outcome: Outcome) -> Answer:
        with self._condition:
            if self._state is not State.INIT:
                return _wrong_state(self._state)
            self._end(outcome)
        return _accepted()

    def _end(self, outcome: Outcome) -> None:
        self.outcome, self._state = outcome, State.DONE
        self.answered_at = time.monotonic()
        self.changed.set()

    def _metadata(self, request: Request) -> Answer:
        if not self._token or request.headers.get("authorization") != f"Bearer {self._token}":
            return refused(HTTPStatus.UNAUTHORIZED, "Unauthorized", "not the token of this sandbox")
        body = json.dumps({"AvailabilityZoneID": ZONE}).encode()
        caching = {"Cache-Control": "private, max-age=43200, immutable"}
        return Answer(HTTPStatus.OK, body, {"Content-Type": "application/json", **caching})


def _headers(event: Event) -> dict[str, str]:
    deadline = int((time.time() + event.deadline - time.monotonic()) * 1000)
    context = {"Lambda-Runtime-Client-Context": event.client_context} if event.client_context else {}
    return {
        **context,
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": event.request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline),
        "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
        "Lambda-Runtime-Trace-Id": event.trace_id or trace.first(event.function_arn),
        "Lambda-Runtime-Invocation-Id": event.invocation_id,
    }


def _response(request: Request) -> Outcome:
    if request.size > RESPONSE_MAX:
        return Outcome("too_large")
    if error_type := request.trailers.get(ERROR_TYPE):
        try:
            body = base64.b64decode(request.trailers.get(ERROR_BODY, ""))
        except binascii.Error:
            body = b""
        return Outcome("error", body, error_type)
    return Outcome("response", request.body)


def _error(request: Request, kind: Literal["error", "init_error"]) -> Outcome:
    if request.size > RESPONSE_MAX:
        return Outcome("too_large")
    return Outcome(kind, request.body, request.headers.get(ERROR_TYPE, ""))


def _accepted() -> Answer:
    return Answer(HTTPStatus.ACCEPTED, b'{"status":"OK"}\n', {"Content-Type": "application/json"})


def _too_large() -> Answer:
    message = f"Exceeded maximum allowed payload size ({RESPONSE_MAX} bytes)."
    return refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", message)


def _wrong_state(state: State) -> Answer:
    message = f"State transition is not allowed: the runtime is in state {state.value}"
    return refused(HTTPStatus.FORBIDDEN, "InvalidStateTransition", message)


def refused(status: HTTPStatus, error_type: str, message: str) -> Answer:
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    return Answer(status, body, {"Content-Type": "application/json"})
