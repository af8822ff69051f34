"""A policy's one spelling, however AWS gives it back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdactl.policies import normal

STATEMENT = {"Sid": "Read", "Effect": "Allow", "Action": ["b", "a"], "Resource": ["arn:*"]}


@given(st.text())
def test_a_policy_that_comes_url_encoded_is_the_same(text: str) -> None:
    """Whatever stands in it: percent signs and escapes of escapes, too."""
    policy = {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Resource": text or "x"}]}
    spelled = json.dumps(policy)
    assert normal(quote(spelled, safe="")) == normal(spelled) == normal(policy)


@pytest.mark.parametrize("text", ["%22", "%2522", "100%", "%7b%7B", "a+b", "%"])
def test_escapes_in_a_policy_are_its_own(text: str) -> None:
    policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Resource": text}]}
    assert normal(quote(json.dumps(policy)))["Statement"][0]["Resource"] == text


def test_statements_are_in_the_order_of_their_names_or_of_all_they_say() -> None:
    one, other = {**STATEMENT, "Sid": "A"}, {**STATEMENT, "Sid": "B"}
    bare = {key: value for key, value in STATEMENT.items() if key != "Sid"}
    third = {**bare, "Effect": "Deny"}
    for some in ([one, other], [bare, third], [one, bare]):
        assert normal({"Statement": some}) == normal({"Statement": some[::-1]})
