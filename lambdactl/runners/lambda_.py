"""The real thing: asks AWS to run a deployed function. Waits for no result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lambdactl.errors import RunError
from lambdactl.runners.limits import check_event


class Caller(Protocol):
    """What of `aws.Aws` is needed here."""

    def patient(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any: ...


def launch(aws: Caller, function_name: str, event: bytes) -> str:
    """Invoke asynchronously; the request id. RunError when the event is too large or not accepted."""
    check_event(event, asynchronous=True)
    answer = aws.patient(
        "lambda", "Invoke", {"FunctionName": function_name, "InvocationType": "Event", "Payload": event}
    )
    if answer["StatusCode"] != 202:
        raise RunError(
            f"Lambda did not accept the event for {function_name}", why=f"HTTP {answer['StatusCode']}"
        )
    return str(answer["ResponseMetadata"]["RequestId"])
