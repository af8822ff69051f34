"""What really happened in AWS: every write that the emulator took, in order. A layer; changes nothing."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import seen

READS = ("Get", "List", "Describe", "Head", "BatchGet")
# Not CreateBucket: in us-east-1 S3 answers the owner as if it was new.
ONCE = (
    "CreateFunction",
    "CreateLogGroup",
    "CreateRepository",
    "CreateRole",
    "CreateSchedule",
    "CreateScheduleGroup",
    "PutImage",
)


@dataclass(frozen=True, slots=True)
class Written:
    service: str
    operation: str
    resource: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.service}.{self.operation} {self.resource}"


class Ledger:
    """Stands next to the emulator, behind all faults: what is in here was done, answered or not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken: list[Written] = []

    def __call__(self, request: Request, following: Next) -> Response:
        call, response = seen(request), following(request)
        if response.status < 300 and not call.operation.startswith(READS):
            name = str(call.parameters.get("imageTag") or call.resource)
            with self._lock:
                self.taken.append(Written(call.service, call.operation, name, request.body))
        return response

    def reset(self) -> None:
        with self._lock:
            self.taken.clear()

    @property
    def counts(self) -> Counter[str]:
        return Counter(map(str, self.taken))

    def made_twice(self) -> list[str]:
        """What was made more than once. Nothing in these tests goes and comes back within one apply."""
        made = Counter(str(each) for each in self.taken if each.operation in ONCE)
        return [name for name, count in made.items() if count > 1]

    def sent_again(self, digests: dict[str, str]) -> list[str]:
        """Functions that were sent the code they had. `digests` is what they had; it is kept up to date."""
        again = []
        for each in self.taken:
            if each.operation == "DeleteFunction":
                digests.pop(each.resource, None)
            if each.operation not in ("CreateFunction", "UpdateFunctionCode"):
                continue
            given: dict[str, Any] = json.loads(each.body)
            image = str(given.get("ImageUri") or given["Code"]["ImageUri"])
            if digests.get(each.resource) == image:
                again.append(each.resource)
            digests[each.resource] = image
        return again

    def repeated(self) -> list[str]:
        """Writes that were made twice with the same content to the same thing."""
        return [f"{each}" for each, count in Counter(self.taken).items() if count > 1 and each.body]
