"""AWS's answers, which may be cut short on their way: what is missing is an error, never "nothing". Pure."""

from __future__ import annotations

from typing import Any

from lambdactl.errors import AwsError


class Answer(dict[str, Any]):
    """A mapping that says so, in our words, when a member that must be there is not.

    A truncated 200 parses to {} without an error; read as "no functions" it would make everything anew.
    """

    call = ""

    def __missing__(self, key: str) -> Any:
        raise AwsError(
            f"the answer has no {key}: cut short on its way",
            code="Truncated",
            call=self.call,
            hint="run the command again",
        )


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
