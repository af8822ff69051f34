"""IAM policy documents compared by meaning, not by spelling. Pure.

AWS gives a document back URL-encoded or decoded, a list of one as a string, and lists in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_LISTS = ("Action", "NotAction", "Resource", "NotResource")


def normal(document: str | Mapping[str, Any]) -> dict[str, Any]:
    """The one spelling of a policy: lists where IAM allows either, sorted, statements by Sid."""
    if isinstance(document, str):
        text = document if document.lstrip().startswith("{") else unquote(document)
        document = json.loads(text)
    assert isinstance(document, Mapping)
    statements = document.get("Statement", [])
    each = [statements] if isinstance(statements, Mapping) else statements
    return {
        "Version": document.get("Version", "2008-10-17"),
        "Statement": sorted(
            (_statement(one) for one in each), key=lambda one: json.dumps(one, sort_keys=True)
        ),
    }


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
