"""AWS's answers, which may be cut short on their way: what is missing is an error, never "nothing". Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambdactl.errors import AwsError


class Answer(dict[str, Any]):
    """A mapping that says so, in our words, when a member that must be there is not.

    A truncated 200 parses to {} without an error; read as "no functions" it would make everything anew.
    """

    call = ""

    def __missing__(self, key: str) -> Any:
        raise cut_short(self.call, key)


def whole(answer: dict[str, Any], service: str, operation: str) -> Answer:
    """`answer` with each mapping in it made an Answer; lists of many are left as they are."""
    call = f"{service}.{operation}"

    def wrapped(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        made = Answer({key: wrapped(each) for key, each in value.items()})
        made.call = call
        return made

    result: Answer = wrapped(answer)
    return result


def cut_short(call: str, missing: str) -> AwsError:
    return AwsError(
        f"the answer has no {missing}: cut short on its way",
        code="Truncated",
        call=call,
        hint="run the command again",
    )


def check_whole(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
    """For botocore's event `before-parse`: half a body is an error.

    botocore does not compare a body with its length, and of JSON that does not parse it makes {}, which
    reads as "nothing is there", or as "it has settled".
    """
    body, headers = response_dict["body"], response_dict["headers"]
    if response_dict["status_code"] >= 300 or operation_model.http.get("method") == "HEAD":
        return
    if not isinstance(body, bytes) or (not body and not headers.get("content-length")):
        return  # a stream: whoever reads it compares
    service = operation_model.service_model
    call = f"{service.service_name}.{operation_model.name}"
    length = "" if headers.get("content-encoding") else headers.get("content-length", "")
    if length and int(length) != len(body):
        raise cut_short(call, "its whole body")
    if body and "json" in service.resolved_protocol:
        try:
            json.loads(body)
        except ValueError:
            raise cut_short(call, "its whole body") from None
