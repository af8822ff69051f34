"""AWS's Lambda Runtime API for one sandbox: what may be asked, and when. Opens nothing, knows no engine.

One event at a time, as in Lambda. Who runs the sandbox watches `changed`; `runtime_server` is the way in.
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

from lambdactl.runners.protocol import RESPONSE_MAX
from lambdactl.runners.wire import Answer, Request

API = "/2018-06-01/"
RUNTIME = f"{API}runtime/"
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
    """`timeout` in seconds counts from the moment the event is handed out."""

    request_id: str
    function_arn: str
    body: bytes = field(repr=False)
    timeout: float
    trace_id: str = ""
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the runtime said. `error`: of the handler; `init_error`: of its start; `too_large`: a response."""

    kind: Literal["response", "error", "init_error", "too_large"]
    body: bytes = b""
    error_type: str = ""


class RuntimeApi:
    """The state of one sandbox. Times are those of `time.monotonic`, None while it has not happened."""

    def __init__(self, event: Event, on_dispatch: Callable[[], None] = lambda: None) -> None:
        self.changed = threading.Event()
        self.outcome: Outcome | None = None
        self.ready_at: float | None = None
        self.dispatched_at: float | None = None
        self.answered_at: float | None = None
        self._event, self._on_dispatch = event, on_dispatch
        self._waiting: Event | None = event
        self._state = State.INIT
        self._condition = threading.Condition()
        self._closed = False

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
            while self._waiting is None and not self._closed and alive():
                self._condition.wait(ALIVE_EVERY)
            event = self._waiting
            # An event handed to a client that is gone would be lost: look once more.
            if event is None or self._closed or not alive():
                return None
            self._waiting, self._state = None, State.RUNNING
            self.dispatched_at = time.monotonic()
        self._on_dispatch()
        self.changed.set()
        return Answer(HTTPStatus.OK, event.body, _headers(event))

    def _answered(self, request: Request, request_id: str, outcome: Outcome) -> Answer:
        with self._condition:
            if request_id != self._event.request_id:
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


def _headers(event: Event) -> dict[str, str]:
    deadline = int((time.time() + event.timeout) * 1000)
    return {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": event.request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline),
        "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
        "Lambda-Runtime-Trace-Id": event.trace_id or _trace_id(),
        "Lambda-Runtime-Invocation-Id": event.invocation_id,
    }


def _trace_id() -> str:
    root, parent = uuid.uuid4().hex, uuid.uuid4().hex
    lineage = parent[16:24]
    return f"Root=1-{int(time.time()):08x}-{root[:24]};Parent={parent[:16]};Sampled=0;Lineage=1:{lineage}:0"


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
