"""Lambda's Invoke, answered by really running the function here. Knows no container engine.

What runs a function is given: `Run`. This module is Lambda's side of it: what it refuses, the limit on
concurrent executions, the queue of asynchronous events with its retries, and where the lines go.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.exceptions import ClientError

from lambdactl.errors import LambdactlError, SandboxError
from lambdactl.runners import asynchronous, trace
from lambdactl.runners.protocol import EVENT_MAX, REQUEST_MAX, Invocation
from lambdactl.sandbox.answers import Answer, answered, failed, refusal, refused, throttled
from lambdactl.sandbox.functions import Function, Functions, name_of
from lambdactl.sandbox.journal import Journal
from lambdactl.sandbox.messages import Request, Response
from lambdactl.sandbox.slots import Slots

LARGEST = {"RequestResponse": REQUEST_MAX, "Event": EVENT_MAX, "DryRun": REQUEST_MAX}  # bytes
CONTEXT_MAX = 3583  # bytes, in base64 (botocore: Invoke)
AT_ONCE = 20  # of all functions without a reservation; an AWS account starts with 1,000
RECURSION = (
    "Lambda has detected the function being invoked in a recursive loop with other Amazon Web Services "
    "resources and stopped your function's invocation."
)  # botocore's model: RecursiveInvocationException

Run = Callable[[Function, Invocation, Callable[[str], None], threading.Event], Answer]
"""(function, invocation, on_line, stop) -> Answer; raises LambdactlError when it cannot start."""


class _Refused(Exception):
    """What Lambda answers instead of an invocation."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = refusal(status, code, message)


class Invoker:
    """Callable with an Invoke request. `close` asks what runs to end, and waits for it."""

    def __init__(
        self,
        functions: Functions,
        logs: Any,
        run: Run,
        *,
        at_once: int = AT_ONCE,
        async_wait: float = asynchronous.UNIT,
    ) -> None:
        self._functions, self._logs, self._run = functions, logs, run
        self._slots = Slots(at_once)
        self._async_wait = async_wait
        self._stop = threading.Event()
        self._working: set[threading.Thread] = set()

    def __call__(self, request: Request) -> Response:
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        named = name_of(unquote(request.path.split("/")[3]))
        if kind not in LARGEST or named is None:
            return refusal(400, "InvalidParameterValueException", f"not an invocation: {kind} {request.path}")
        request_id = str(uuid.uuid4())
        try:
            function = self._functions.read(named[0])
            invocation = _invocation(request, kind, function, named[1], request_id)
        except _Refused as refused_:
            return refused_.response
        except ClientError as error:
            return refused(error)
        except LambdactlError as broken:
            return failed(broken, request_id)
        if kind == "DryRun":
            return Response(status=204, headers=(("x-amzn-RequestId", request_id),))
        looping = trace.count(invocation.trace_id) >= trace.MOST
        if kind == "Event":
            if looping:  # dropped, as Lambda does, which tells of it elsewhere
                with Journal(self._logs, function.name, request_id) as journal:
                    journal.write(f"lambdactl sandbox: dropped: {RECURSION}")
            else:
                self._start(function, invocation)
            return Response(status=202, headers=(("x-amzn-RequestId", request_id),))
        if looping:
            return refusal(400, "RecursiveInvocationException", RECURSION)
        return self._now(function, invocation, tail=request.header("x-amz-log-type") == "Tail")

    def close(self, patience: float = 40) -> None:
        """`patience` is in seconds: what has not ended then is left to end with this process."""
        self._stop.set()
        until = time.monotonic() + patience
        while (self._slots.taken() or self._working) and time.monotonic() < until:
            time.sleep(0.02)

    def _now(self, function: Function, invocation: Invocation, *, tail: bool) -> Response:
        if not self._slots.take(function.name, function.reserved):
            whose = "" if function.reserved is None else "ReservedFunction"
            return throttled(f"{whose}ConcurrentInvocationLimitExceeded")
        try:
            answer = self._attempt(function, invocation)
        except LambdactlError as broken:
            return failed(broken, invocation.request_id)
        finally:
            self._slots.give(function.name, function.reserved)
        return answered(answer, invocation.request_id, tail=tail)

    def _start(self, function: Function, invocation: Invocation) -> None:
        worker = threading.Thread(target=self._later, args=(function, invocation), daemon=True)
        self._working.add(worker)
        worker.start()

    def _later(self, function: Function, invocation: Invocation) -> None:
        """An asynchronous event: waits for its turn, tries again after a function error."""
        until = time.monotonic() + function.max_event_age
        try:
            for wait in (0.0, *asynchronous.waits(function.retries, self._async_wait)):
                self._stop.wait(wait)
                if not self._turn(function, until) or self._succeeds(function, invocation):
                    return
        finally:
            self._working.discard(threading.current_thread())

    def _turn(self, function: Function, until: float) -> bool:
        while not self._stop.is_set() and time.monotonic() < until:
            if self._slots.take(function.name, function.reserved):
                return True
            self._stop.wait(0.1)
        return False

    def _succeeds(self, function: Function, invocation: Invocation) -> bool:
        try:
            return not self._attempt(function, invocation).function_error
        except LambdactlError:
            return False  # the journal has it
        finally:
            self._slots.give(function.name, function.reserved)

    def _attempt(self, function: Function, invocation: Invocation) -> Answer:
        with Journal(self._logs, function.name, invocation.request_id) as journal:
            try:
                return self._run(function, invocation, journal.write, self._stop)
            except LambdactlError as broken:
                journal.write(f"lambdactl sandbox: {broken}")
                raise
            except Exception as bug:  # else the client would see a broken connection, and try again
                journal.write(f"lambdactl sandbox: {bug!r}")
                raise SandboxError("the runner failed", why=repr(bug)) from bug


def _invocation(
    request: Request, kind: str, function: Function, qualifier: str, request_id: str
) -> Invocation:
    """What the request asks for; what Lambda refuses of it, is refused."""
    most = LARGEST[kind]
    if len(request.body) > most:
        text = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
        raise _Refused(413, "RequestTooLargeException", text)
    qualifier = qualifier or parse_qs(request.query).get("Qualifier", [""])[0]
    arn = f"{function.arn}:{qualifier}" if qualifier else function.arn
    if qualifier not in ("", "$LATEST"):  # lambdactl publishes no versions and makes no aliases
        raise _Refused(404, "ResourceNotFoundException", f"Function not found: {arn}")
    try:
        json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        text = f"Could not parse request body into json: {error}"
        raise _Refused(400, "InvalidRequestContentException", text) from None
    return Invocation(
        event=request.body or b"{}",
        request_id=request_id,
        arn=arn,
        trace_id=trace.following(request.header("x-amzn-trace-id"), function.arn),
        client_context=_client_context(request) if kind == "RequestResponse" else "",
    )


def _client_context(request: Request) -> str:
    given = request.header("x-amz-client-context")
    if not given:
        return ""
    try:
        found = json.loads(base64.b64decode(given, validate=True))
        if len(given) <= CONTEXT_MAX and isinstance(found, dict):
            return json.dumps(found)  # on one line, of ASCII: it travels in a header
    except (binascii.Error, ValueError, RecursionError):
        pass
    text = f"Client context must be a valid Base64-encoded JSON object of at most {CONTEXT_MAX} bytes."
    raise _Refused(400, "InvalidRequestContentException", text)
