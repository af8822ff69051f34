"""A plan as the exact calls that it would make, in order, and what it waits for between them. No printing,
no AWS.

No secret value is in a call, so all of them can be shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lambdactl.engine import Build, Call, Effect, ImageRef, Plan, Settle, Wait, effects
from lambdactl.report import plan as report
from lambdactl.report.escape import terminal

Line = Mapping[str, Any]  # one thing that is done: a call, a build or a wait


def text(plan: Plan, repository: str) -> str:
    """One line for each call: service, operation, parameters as JSON. What the plan says of problems and of
    what it leaves alone stands around them, as in the plan."""
    lines = [
        *(line for _, line in report.problems(plan)),
        *_lines(plan, repository),
        *(line for _, line in report.left_alone(plan)),
        f"# {report.summary(plan)}",
    ]
    return terminal("\n".join(lines))


def json_(plan: Plan, repository: str) -> str:
    """The same for scripts; `do` of each line is `call`, `build` or `wait`."""
    document = {
        "version": 1,
        "fingerprint": plan.fingerprint,
        "calls": [
            {"address": str(step.address), "action": step.action, **line}
            for step in plan.steps
            for effect in effects(step)
            for line in _done(effect, repository)
        ],
        **report.beside(plan),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=_known(repository))


def _lines(plan: Plan, repository: str) -> Iterator[str]:
    for step in plan.steps:
        yield f"# {step.action} {report.shown(step.address)}"
        for effect in effects(step):
            yield from (_line(each, repository) for each in _done(effect, repository))


def _done(effect: Effect, repository: str) -> Iterator[Line]:
    match effect:
        case Build(tag):
            yield {"do": "build", "image": f"{repository}:{tag}"}
        case Settle(service, wait):
            yield _wait(service, wait)
        case Call():
            if effect.before:
                yield _wait(effect.service, effect.before)
            yield {"do": "call", **_call(effect.service, effect.operation, effect.parameters)}
            if effect.wait:
                yield _wait(effect.service, effect.wait)


def _wait(service: str, wait: Wait) -> Line:
    until = {"paths": list(wait.paths), "pending": sorted(wait.pending), "failed": sorted(wait.failed)}
    return {"do": "wait", **_call(service, wait.operation, wait.parameters), **until}


def _call(service: str, operation: str, parameters: Mapping[str, Any]) -> Line:
    return {"service": service, "operation": operation, "parameters": parameters}


def _line(line: Line, repository: str) -> str:
    if line["do"] == "build":
        return f"build and push {line['image']}"
    parameters = json.dumps(
        line["parameters"], default=_known(repository), ensure_ascii=False, sort_keys=True
    )
    call = f"{line['service']} {line['operation']} {parameters}"
    if line["do"] == "call":
        return call
    return f"wait: {call} until {', '.join(line['paths'])} is no longer {' or '.join(line['pending'])}"


def _known(repository: str) -> Any:
    """For what is in a call and not in JSON: the one value that is known late, and bytes."""

    def known(value: Any) -> str:
        if isinstance(value, ImageRef):
            return f"{repository}@<digest of {value.tag}>"
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    return known
