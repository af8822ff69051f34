"""Policies as the tests of this folder look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

DENIED = ("AccessDenied", "AccessDeniedException")


def actions(policy: Mapping[str, Any]) -> list[str]:
    return sorted(action for each in policy["Statement"] for action in each["Action"])


def without(policy: Mapping[str, Any], action: str) -> dict[str, Any]:
    """The same policy, less one action."""
    kept = [
        {**each, "Action": [one for one in each["Action"] if one != action]} for each in policy["Statement"]
    ]
    return {**policy, "Statement": [each for each in kept if each["Action"]]}


def assert_denied(call: Callable[..., Any], **parameters: Any) -> None:
    """IAM refuses it: nothing else that might be wrong with the call counts."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    assert refused.value.response["Error"]["Code"] in DENIED, refused.value
