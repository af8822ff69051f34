"""Policies as the tests of this folder look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

DENIED = ("AccessDenied", "AccessDeniedException")


@dataclass(frozen=True, slots=True)
class Grant:
    """One action of one statement."""

    sid: str
    action: str

    def __str__(self) -> str:
        return f"{self.sid}-{self.action}"


def grants(policy: Mapping[str, Any]) -> list[Grant]:
    return [Grant(each["Sid"], action) for each in policy["Statement"] for action in each["Action"]]


def actions(policy: Mapping[str, Any]) -> set[str]:
    return {grant.action for grant in grants(policy)}


def without(policy: Mapping[str, Any], grant: Grant) -> dict[str, Any]:
    """The same policy, less one action of one statement."""
    kept = [
        {**each, "Action": [one for one in each["Action"] if Grant(each["Sid"], one) != grant]}
        for each in policy["Statement"]
    ]
    return {**policy, "Statement": [each for each in kept if each["Action"]]}


def assert_denied(call: Callable[..., Any], **parameters: Any) -> None:
    """IAM refuses it: nothing else that might be wrong with the call counts."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    assert refused.value.response["Error"]["Code"] in DENIED, refused.value
