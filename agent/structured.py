"""An agent's structured output and the schema that its job asks for. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agent import shape
from agent.contract import is_shallow

LARGEST = 1 << 20  # bytes that result.json carries of it


def spelled(schema: Mapping[str, Any]) -> str:
    """As a CLI is to get it: without the name of its draft, since Claude Code knows draft 7's alone."""
    return json.dumps({keyword: value for keyword, value in schema.items() if keyword != "$schema"})


def check(output: Any, schema: Mapping[str, Any] | None) -> tuple[Any, str]:
    """(the output, ""), or (None, why the run failed). Without a schema nothing is asked for."""
    if schema is None:
        return None, ""
    if output is None:
        return None, "the agent gave no structured output, which outputSchema asks for"
    try:
        size = len(json.dumps(output, allow_nan=False))
    except (ValueError, RecursionError):  # a number that JSON does not have: it would spoil the result
        return None, "the structured output is not JSON"
    if size > LARGEST:
        return None, f"the structured output has {size:,} bytes; a result carries at most {LARGEST:,}"
    if not is_shallow(output):
        return None, "the structured output is nested too deep"
    if wrong := shape.fault(output, schema):
        return None, f"the structured output does not fit outputSchema: {wrong}"
    return output, ""
