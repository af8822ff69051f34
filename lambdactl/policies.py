"""IAM policy documents compared by meaning, not by spelling. Pure.

AWS gives a document back URL-encoded or decoded, a list of one as a string, and lists in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

_LISTS = ("Action", "NotAction", "Resource", "NotResource")
_ESCAPES = {quote(character, safe=""): character for character in ' {}[]":,/*$'}


def normal(document: str | Mapping[str, Any]) -> dict[str, Any]:
    """The one spelling of a policy: lists where IAM allows either, sorted, statements by Sid."""
    if isinstance(document, str):
        return _parsed(document)  # a thousand roles have one trust policy
    statements = document.get("Statement", [])
    each = [statements] if isinstance(statements, Mapping) else statements
    return {
        "Version": document.get("Version", "2008-10-17"),
        "Statement": sorted((_statement(one) for one in each), key=_place),
    }


@lru_cache(maxsize=1024)
def _parsed(text: str) -> dict[str, Any]:
    document = json.loads(text if text.lstrip().startswith("{") else _decoded(text))
    assert isinstance(document, Mapping)
    return normal(document)


def _decoded(text: str) -> str:
    """URL-decoded. What makes up most of a policy first, each all at once: `unquote` takes one by one."""
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return unquote(text)


def _place(statement: Mapping[str, Any]) -> tuple[str, str]:
    sid = str(statement.get("Sid", ""))  # unique in a policy, where there is one
    return sid, "" if sid else json.dumps(statement, sort_keys=True)


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(statement)
    for key in _LISTS:
        if key in result:
            result[key] = _listed(result[key])
    for key in ("Principal", "NotPrincipal"):
        if isinstance(result.get(key), Mapping):
            result[key] = {kind: _listed(value) for kind, value in result[key].items()}
    if "Condition" in result:
        result["Condition"] = {
            operator: {key: _listed(value) for key, value in tests.items()}
            for operator, tests in result["Condition"].items()
        }
    return result


def _listed(value: str | list[str]) -> str | list[str]:
    """A list of one is written as the bare value; a longer one is sorted."""
    if isinstance(value, list):
        return str(value[0]) if len(value) == 1 else sorted(map(str, value))
    return value
