"""The account's numbers: concurrency with its floor, functions, roles and their quota.

Source: Lambda's and IAM's API references (GetAccountSettings, GetAccountSummary), Lambda's guide
"Configuring reserved concurrency" (100 stay unreserved; less in new accounts), the text: SIEM on
OpenSearch #175. moto answers no GetAccountSettings; both accept any reservation.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, ask, changed, invalid, seen
from tests.support.strict.iam_limits import IamLimits

_JSON = (("Content-Type", "application/json"),)


@dataclass(kw_only=True)
class Account:
    """The layer. `concurrency` is the account's limit, of which `floor` stay unreserved."""

    iam: IamLimits
    concurrency: int = 1000
    floor: int = 100
    _reserved: dict[str, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        match call.service, call.operation:
            case "lambda", "GetAccountSettings":
                return self._settings(request, following)
            case "iam", "GetAccountSummary":
                return self._summary(request, following)
            case "lambda", "PutFunctionConcurrency":
                return self._put(call, request, following)
            case "lambda", "DeleteFunctionConcurrency" | "DeleteFunction":
                response = following(request)
                if response.status < 300 and self._reserved is not None:
                    self._reserved.pop(call.function, None)
                return response
        return following(request)

    def _put(self, call: Seen, request: Request, following: Next) -> Response:
        with self._lock:
            reserved = self._known(request, following)
            asked = int(call.parameters["ReservedConcurrentExecutions"])
            others = sum(value for name, value in reserved.items() if name != call.function)
            if asked and self.concurrency - others - asked < self.floor:
                return invalid(
                    "lambda",
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{self.floor}].",
                )
            response = following(request)
            if response.status < 300:
                reserved[call.function] = asked
            return response

    def _known(self, request: Request, following: Next) -> dict[str, int]:
        """Asked of the emulator once, kept up to date after."""
        if self._reserved is None:
            self._reserved = {}
            for each in functions(request, following):
                name = each["FunctionName"]
                there = ask(following, request, "lambda", "GetFunctionConcurrency", FunctionName=name)
                if there and (value := there.get("ReservedConcurrentExecutions")):
                    self._reserved[name] = value
        return self._reserved

    def _settings(self, request: Request, following: Next) -> Response:
        with self._lock:
            reserved = sum(self._known(request, following).values())
        count = sum(1 for _ in functions(request, following))
        limit = {
            "TotalCodeSize": 80530636800,
            "CodeSizeUnzipped": 262144000,
            "CodeSizeZipped": 52428800,
            "ConcurrentExecutions": self.concurrency,
            "UnreservedConcurrentExecutions": self.concurrency - reserved,
        }
        answer = {"AccountLimit": limit, "AccountUsage": {"TotalCodeSize": 0, "FunctionCount": count}}
        return changed(Response(status=200, headers=_JSON), answer)

    def _summary(self, request: Request, following: Next) -> Response:
        numbers = {"Roles": len(self.iam.names(request, following)), "RolesQuota": self.iam.roles}
        entries = "".join(f"<entry><key>{k}</key><value>{v}</value></entry>" for k, v in numbers.items())
        text = (
            '<GetAccountSummaryResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
            f"<GetAccountSummaryResult><SummaryMap>{entries}</SummaryMap></GetAccountSummaryResult>"
            "</GetAccountSummaryResponse>"
        )
        return Response(status=200, headers=(("Content-Type", "text/xml"),), body=text.encode())


def functions(request: Request, following: Next) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    marker: dict[str, str] = {}
    while True:
        page = ask(following, request, "lambda", "ListFunctions", **marker) or {}
        found += page.get("Functions", [])
        if not page.get("NextMarker"):
            return found
        marker = {"Marker": page["NextMarker"]}
