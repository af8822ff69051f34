"""A function's life: Pending, Active, InProgress, Failed, Inactive; and 409 for who comes too early.

Source: see life. That DeleteFunction is refused as well is unverified: stricter than AWS may be. Emulators
answer Active at once (moto), or Pending and then accept everything all the same (ministack).
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, ask, changed, refuse, seen
from tests.support.strict.clock import Clock
from tests.support.strict.life import Failure, Life

UPDATES = frozenset({"UpdateFunctionCode", "UpdateFunctionConfiguration"})
ALONE = UPDATES | {
    "AddPermission",
    "DeleteFunction",
    "DeleteFunctionConcurrency",
    "PublishVersion",
    "PutFunctionConcurrency",
    "RemovePermission",
}
WORDS = tuple(n + suffix for n in ("State", "LastUpdateStatus") for suffix in ("", "Reason", "ReasonCode"))


@dataclass(kw_only=True)
class States:
    """The layer. `creating` and `updating` are seconds."""

    clock: Clock
    creating: float = 3.0
    updating: float = 2.0
    _lives: dict[str, Life] = field(default_factory=dict)
    _scripted: dict[tuple[str, str], Failure] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail_create(
        self,
        name: str,
        code: str = "InsufficientRolePermissions",
        reason: str = "The function's execution role lacks permissions.",
    ) -> None:
        """The next CreateFunction of `name` is accepted, and then fails."""
        self._scripted[name, "create"] = Failure(code, reason)

    def fail_update(
        self, name: str, code: str = "ImageAccessDenied", reason: str = "Lambda cannot pull the image."
    ) -> None:
        """The next update of `name` is accepted, and then fails; its settings stay as sent."""
        self._scripted[name, "update"] = Failure(code, reason)

    def inactive(self, name: str) -> None:
        """Nobody invoked it for weeks. An update is accepted and wakes it."""
        self._lives[name] = Life(idle=True)

    def life(self, name: str) -> Life:
        return self._lives.get(name, Life())

    def settled(self, name: str) -> bool:
        return self.clock() >= self.life(name).until

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        if call.service != "lambda":
            return following(request)
        if call.operation == "CreateFunction":
            return self._begin("create", call, request, following)
        if call.operation in ALONE:
            return self._alone(call, request, following)
        return self._told(call, following(request))

    def _alone(self, call: Seen, request: Request, following: Next) -> Response:
        if call.operation in UPDATES and not call.parameters.get("DryRun"):
            return self._begin("update", call, request, following)
        if busy := self._obstacle(call, request, following):
            return busy
        response = following(request)
        if call.operation == "DeleteFunction" and response.status < 300:
            self._lives.pop(call.function, None)
        return response

    def _begin(self, step: str, call: Seen, request: Request, following: Next) -> Response:
        name = call.function
        with self._lock:
            before = self._lives.get(name)
            if step == "update" and (busy := self._obstacle(call, request, following)):
                return busy
            seconds = self.creating if step == "create" else self.updating
            failure = self._scripted.get((name, step))
            self._lives[name] = Life(step=step, until=self.clock() + seconds, failure=failure)
        response = following(request)
        if response.status < 300:
            self._scripted.pop((name, step), None)
        elif before:
            self._lives[name] = before
        else:
            self._lives.pop(name, None)
        return self._told(call, response)

    def _obstacle(self, call: Seen, request: Request, following: Next) -> Response | None:
        life, now = self.life(call.function), self.clock()
        broken = life.words(now)["State"] == "Failed"
        if not life.obstacle(now, "") or (broken and call.operation == "DeleteFunction"):
            return None
        there = ask(following, request, "lambda", "GetFunctionConfiguration", FunctionName=call.function)
        if there is None:
            return None  # the emulator says that there is none
        text = life.obstacle(now, ":".join(there["FunctionArn"].split(":")[:7]))
        return refuse("lambda", 409, "ResourceConflictException", text)

    def _told(self, call: Seen, response: Response) -> Response:
        configurations = UPDATES | {"CreateFunction", "GetFunctionConfiguration", "GetFunction"}
        if response.status >= 300 or call.operation not in configurations:
            return response
        answer: dict[str, Any] = json.loads(response.body)
        told = answer["Configuration"] if call.operation == "GetFunction" else answer
        for word in WORDS:
            told.pop(word, None)
        told |= self.life(call.function).words(self.clock())
        return changed(response, answer)
