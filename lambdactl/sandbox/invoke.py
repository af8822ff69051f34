"""Lambda's Invoke, answered by really running the function here. Knows no container engine.

What runs a function is given: `Run`. This module is Lambda's side of it: what it refuses, the limit on
concurrent executions, the queue of asynchronous events with its retries, and where the lines go.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from lambdactl.errors import LambdactlError, SandboxError
from lambdactl.sandbox.answers import Answer, answered, failed, refusal, refused, throttled
from lambdactl.sandbox.functions import Function, Functions, name_of
from lambdactl.sandbox.journal import Journal
from lambdactl.sandbox.messages import Request, Response
from lambdactl.sandbox.slots import Slots

LARGEST = {"RequestResponse": 6 << 20, "Event": 1 << 20, "DryRun": 6 << 20}  # bytes (botocore: Invoke)
AT_ONCE = 20  # of all functions together; an AWS account starts with 1,000
ASYNC_WAIT = 1.0  # seconds before the first retry, doubled for the second; Lambda: 60, then 120

Run = Callable[[Function, bytes, str, Callable[[str], None], threading.Event], Answer]
"""(function, event, request id, on_line, stop) -> Answer; raises LambdactlError when it cannot start."""


class Invoker:
    """Callable with an Invoke request. `close` asks what runs to end, and waits for it."""

    def __init__(
        self,
        functions: Functions,
        logs: Any,
        run: Run,
        *,
        at_once: int = AT_ONCE,
        async_wait: float = ASYNC_WAIT,
    ) -> None:
        self._functions, self._logs, self._run = functions, logs, run
        self._slots = Slots(at_once)
        self._async_wait = async_wait
        self._stop = threading.Event()
        self._working: set[threading.Thread] = set()

    def __call__(self, request: Request) -> Response:
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        name = name_of(unquote(request.path.split("/")[3]))
        if kind not in LARGEST or name is None:
            return refusal(400, "InvalidParameterValueException", f"not an invocation: {kind} {request.path}")
        if len(request.body) > LARGEST[kind]:
            return refusal(413, "RequestTooLargeException", f"the payload is over {LARGEST[kind]} bytes")
        request_id = str(uuid.uuid4())
        try:
            function = self._functions.read(name)
        except ClientError as error:
            return refused(error)
        except LambdactlError as broken:
            return failed(broken, request_id)
        if kind == "DryRun":
            return Response(status=204, headers=(("x-amzn-RequestId", request_id),))
        if kind == "Event":
            self._start(function, request.body, request_id)
            return Response(status=202, headers=(("x-amzn-RequestId", request_id),))
        return self._now(function, request, request_id)

    def close(self, patience: float = 40) -> None:
        """`patience` is in seconds: what has not ended then is left to end with this process."""
        self._stop.set()
        until = time.monotonic() + patience
        while (self._slots.taken() or self._working) and time.monotonic() < until:
            time.sleep(0.02)

    def _now(self, function: Function, request: Request, request_id: str) -> Response:
        if not self._slots.take(function.name, function.reserved):
            whose = "" if function.reserved is None else "ReservedFunction"
            return throttled(f"{whose}ConcurrentInvocationLimitExceeded")
        try:
            answer = self._attempt(function, request.body, request_id)
        except LambdactlError as broken:
            return failed(broken, request_id)
        finally:
            self._slots.give(function.name)
        return answered(answer, request_id, tail=request.header("x-amz-log-type") == "Tail")

    def _start(self, function: Function, event: bytes, request_id: str) -> None:
        worker = threading.Thread(target=self._later, args=(function, event, request_id), daemon=True)
        self._working.add(worker)
        worker.start()

    def _later(self, function: Function, event: bytes, request_id: str) -> None:
        """An asynchronous event: waits for its turn, tries again after a function error."""
        until = time.monotonic() + function.max_event_age
        try:
            for attempt in range(function.retries + 1):
                if attempt:
                    self._stop.wait(self._async_wait * 2 ** (attempt - 1))
                if not self._turn(function, until) or self._succeeds(function, event, request_id):
                    return
        finally:
            self._working.discard(threading.current_thread())

    def _turn(self, function: Function, until: float) -> bool:
        while not self._stop.is_set() and time.monotonic() < until:
            if self._slots.take(function.name, function.reserved):
                return True
            self._stop.wait(0.1)
        return False

    def _succeeds(self, function: Function, event: bytes, request_id: str) -> bool:
        try:
            return not self._attempt(function, event, request_id).function_error
        except LambdactlError:
            return False  # the journal has it
        finally:
            self._slots.give(function.name)

    def _attempt(self, function: Function, event: bytes, request_id: str) -> Answer:
        with Journal(self._logs, function.name, request_id) as journal:
            try:
                return self._run(function, event or b"{}", request_id, journal.write, self._stop)
            except LambdactlError as broken:
                journal.write(f"lambdactl sandbox: {broken}")
                raise
            except Exception as bug:  # else the client would see a broken connection, and try again
                journal.write(f"lambdactl sandbox: {bug!r}")
                raise SandboxError("the runner failed", why=repr(bug)) from bug
