"""RevisionId: in every configuration, new at each update and again when it settles; 412 for an old one.

Source: Lambda's API reference (RevisionId of the Update* and PublishVersion calls); that it changes twice:
aws/aws-sdk #377, where the text stands in short; whole: LocalStack, which is tested against AWS.
moto has none, and both emulators ignore what a request says.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, changed, refuse, seen

CHANGING = frozenset({"CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration"})
CHECKED = frozenset({"PublishVersion", "UpdateFunctionCode", "UpdateFunctionConfiguration"})
TOLD = CHANGING | CHECKED | {"GetFunction", "GetFunctionConfiguration", "ListFunctions"}
MISMATCH = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)


class Revisions:
    """The layer; stands before States, whose `settled` says whether a function's last change is through."""

    def __init__(self, settled: Callable[[str], bool] = lambda name: True, *, seed: int = 0) -> None:
        self._settled, self._seed = settled, seed
        self._changes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def current(self, name: str) -> str:
        text = f"{self._seed}/{name}/{self._changes[name]}/{self._settled(name)}"
        return str(uuid.uuid5(uuid.NAMESPACE_OID, text))

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        if call.service != "lambda" or call.operation not in TOLD:
            return following(request)
        given = call.parameters.get("RevisionId")
        if call.operation in CHECKED and given and given != self.current(call.function):
            return refuse("lambda", 412, "PreconditionFailedException", MISMATCH)
        response = following(request)
        if response.status >= 300:
            return response
        if call.operation in CHANGING and not call.parameters.get("DryRun"):
            with self._lock:
                self._changes[call.function] += 1
        return changed(response, self._told(call, json.loads(response.body)))

    def _told(self, call: Seen, answer: dict[str, Any]) -> dict[str, Any]:
        if call.operation == "ListFunctions":
            for each in answer["Functions"]:
                each["RevisionId"] = self.current(each["FunctionName"])
        elif call.operation == "GetFunction":
            answer["Configuration"]["RevisionId"] = self.current(call.function)
        else:
            answer["RevisionId"] = self.current(call.function)
        return answer
