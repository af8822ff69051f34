"""A plan as the exact calls that it would make, in order. No printing, no AWS.

No secret value is in a call, so all of them can be shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lambdactl.engine import Build, Call, Effect, ImageRef, Plan, Settle, effects
from lambdactl.report.escape import terminal
from lambdactl.report.plan import shown


def text(plan: Plan, repository: str) -> str:
    """One line for each call: service, operation, parameters as JSON."""
    lines = list(_lines(plan, repository))
    return terminal("\n".join(lines)) if lines else "no calls: nothing to do"


def _lines(plan: Plan, repository: str) -> Iterator[str]:
    for step in plan.steps:
        yield f"# {step.action} {shown(step.address)}"
        for effect in effects(step):
            yield _line(effect, repository)


def _line(effect: Effect, repository: str) -> str:
    match effect:
        case Build(tag):
            return f"build and push {repository}:{tag}"
        case Settle(service, wait):
            return f"wait: {service} {wait.operation} {_json(wait.parameters, repository)}"
        case Call():
            parameters = _json(effect.parameters, repository)
            return f"{effect.service} {effect.operation} {parameters}"


def _json(parameters: Mapping[str, Any], repository: str) -> str:
    def known(value: Any) -> str:
        if isinstance(value, ImageRef):
            return f"{repository}@<digest of {value.tag}>"
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    return json.dumps(parameters, default=known, ensure_ascii=False, sort_keys=True)
