"""The next leg of a run on this machine: the response of the one before asks for it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from lambdactl.runners.protocol import Response

# Otherwise the supervisor would invoke the function of its name, the deployed one.
ENVIRONMENT: Mapping[str, str] = MappingProxyType({"LAMBDACTL_NEXT_LEG": "response"})


def following(response: Response, run_id: str, leg: int) -> bytes:
    """The event that starts leg `leg` of the run; b"" when it is over."""
    if response.function_error:
        return b""
    try:
        answer = json.loads(response.payload)
        event = answer["next"] if answer["outcome"] == "continued" else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return b""
    if not isinstance(event, dict) or (event.get("runId"), event.get("leg")) != (run_id, leg):
        return b""
    return json.dumps(event).encode()
