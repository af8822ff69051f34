"""A plan as text, Markdown or JSON. No printing, no AWS.

Unchanged things are counted and not listed. Long text (a prompt) is shown as a line diff.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Literal

from rich.text import Text

from lambdactl.engine import Action, Address, Delta, Plan, Step
from lambdactl.report.escape import fence, line, markdown, terminal

_SIGNS: Mapping[Action, tuple[str, str]] = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("±", "magenta"),
    "delete": ("-", "red"),
}
Origin = Literal["aws", "git", "both", "unknown"]
Origins = Mapping[Address, Origin]
_WHO: Mapping[Origin, str] = {
    "aws": "changed in AWS",
    "git": "not applied yet",
    "both": "changed in AWS and in git",
    "unknown": "who changed it is not known",
}
# What holds data: its name in the plural, and how it goes.
_REMOVED: Mapping[str, tuple[str, str]] = {
    "image": ("images", "`apply --prune --images` removes {}, once old and used by no function"),
    "log_group": ("log groups", "`apply --prune --logs` removes {}"),
}
_FEW = 3  # are named each, more of a kind are counted
COMMENT_MAX = 65_000  # GitHub cuts at 65,535 characters; leave room for the marker
_LONG = 80


def text(plan: Plan, origins: Origins | None = None) -> Text:
    """For a terminal. `Text` is styled by spans: nothing in a plan is read as markup."""
    out = Text()
    for style, each in _lines(plan, origins or {}):
        out.append(terminal(each) + "\n", style=style)
    out.append(summary(plan) + "\n", style="bold")
    return out


def shown(address: Address) -> str:
    """An address as people read it: of an image's fingerprint the first digits tell enough."""
    name = f"{address.name[:12]}…" if address.kind == "image" else address.name
    return f"{address.kind}.{name}"


def summary(plan: Plan) -> str:
    """One line that says what the plan amounts to."""
    if plan.refused:
        return f"Refused: {len(plan.refused)} found in AWS under our names, but not ours."
    rest = (
        (len(_told(plan, plan.orphans)), "no longer in git"),
        (len(_told(plan, plan.protected)), "protected"),
        (len(plan.blocked), "that cannot be planned for"),
        (plan.left_out, "left out by --target and --exclude"),
    )
    left = "".join(f" {count} {what}." for count, what in rest if count)
    if not plan.steps:
        return f"Nothing to do: {_things(plan.unchanged)} as wanted.{left}"
    told = told_steps(plan)
    counts = [f"{n} to {verb}" for verb in _SIGNS if (n := sum(step.action == verb for step in told))]
    return f"{', '.join(counts)}; {plan.unchanged} unchanged.{left} Plan {plan.fingerprint}"


def comment(plan: Plan, *, title: str = "lambdactl plan", origins: Origins | None = None) -> str:
    """Markdown for a pull request, cut below GitHub's limit."""
    head = f"### {markdown(title)}\n\n**{markdown(summary(plan))}**\n{mark_of(plan.fingerprint)}\n"
    body = "\n".join(each for _, each in _lines(plan, origins or {}))
    return f"{head}\n{_fenced(body, COMMENT_MAX - len(head) - 200)}\n" if body else head


def _fenced(body: str, room: int) -> str:
    """In at most `room` characters: what is escaped is longer, and so is a fence around backticks."""
    body, left = terminal(body), room
    fenced = fence(body, "diff")
    while len(fenced) > room:
        cut = body[:left].rsplit("\n", 1)[0] + "\n… cut: `lambdactl plan` shows the whole"
        fenced, left = fence(cut, "diff"), left * 9 // 10
    return fenced


def mark_of(fingerprint: str) -> str:
    """What the merge workflow looks for in the comment: which plan was read."""
    return f"<!-- lambdactl fingerprint {fingerprint} -->"


def json_(plan: Plan, origins: Origins | None = None) -> str:
    """The whole plan for scripts. Its shape is documented in docs/reference.md."""
    known = origins or {}
    document = {
        "version": 1,
        "fingerprint": plan.fingerprint,
        "changes": bool(plan.steps),
        "steps": [_step(step, known.get(step.address)) for step in plan.steps],
        "unchanged": plan.unchanged,
        **beside(plan),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def beside(plan: Plan) -> dict[str, Any]:
    """What a plan says besides its steps, for scripts."""
    return {
        "refused": _names(plan.refused),
        "orphans": _names(plan.orphans),
        "kept": _names(plan.kept),
        "protected": _names(plan.protected),
        "blocked": [{"address": str(address), "why": why} for address, why in plan.blocked],
        "leftOut": plan.left_out,
        "problems": list(plan.problems),
        "notes": list(plan.notes),
    }


def problems(plan: Plan) -> Iterator[tuple[str, str]]:
    """(style, line) of each: why it must not be carried out."""
    for problem in plan.problems:
        yield "red bold", f"! {problem}"


def _lines(plan: Plan, origins: Origins) -> Iterator[tuple[str, str]]:
    yield from problems(plan)
    for step in sorted(told_steps(plan), key=_reading_order):
        yield from _step_lines(step, origins.get(step.address))
    yield from left_alone(plan)


def left_alone(plan: Plan) -> Iterator[tuple[str, str]]:
    """(style, line) of each thing that the plan leaves as it is, and why."""
    for address, why in plan.blocked:
        yield "red", f"! {shown(address)}: {why}"
    for address in plan.refused:
        yield "red bold", f"! {shown(address)}: exists, but does not carry our ownership mark"
    for address in _told(plan, plan.orphans):
        yield "yellow", f"? {shown(address)}: no longer in git; `apply --prune` would remove it"
    for address in _told(plan, plan.protected):
        stays = "protected, or needed by what is: it stays (`protect: false` and an apply take that off)"
        yield "yellow", f"? {shown(address)}: {stays}"
    for line_ in _kept(plan):
        yield "dim", line_
    for note in plan.notes:
        yield "cyan", f"# {note}"


def _kept(plan: Plan) -> Iterator[str]:
    """One line for each kind: a project leaves many old images."""
    for kind, addresses in groupby(sorted(plan.kept), key=lambda address: address.kind):
        there = [shown(address) for address in addresses]
        names, how = _REMOVED.get(kind, (f"of {kind}", ""))
        what = ", ".join(there) if len(there) <= _FEW else f"{len(there):,} {names}"
        if not (plan.wanted and how):  # `destroy` wants nothing at all
            how = "`destroy --data` removes {}"
        it = "it" if len(there) == 1 else "them"
        yield f"  {what}: not wanted any more, kept as data; {how.format(it)}"


def told_steps(plan: Plan) -> list[Step]:
    """Without bookkeeping that just follows from another step of the same job."""
    jobs = {step.address.name for step in plan.steps if not step.bookkeeping}
    return [step for step in plan.steps if not (step.bookkeeping and step.address.name in jobs)]


def _told(plan: Plan, addresses: tuple[Address, ...]) -> list[Address]:
    return [address for address in addresses if not plan.found[address].bookkeeping]


def _reading_order(step: Step) -> tuple[bool, str, str]:
    """What all jobs share first, then job by job."""
    kind, name = step.address.kind, step.address.name
    resource = step.wanted or step.found
    return (False, kind, name) if resource is not None and resource.shared else (True, name, kind)


def _step_lines(step: Step, origin: Origin | None) -> Iterator[tuple[str, str]]:
    sign, style = _SIGNS[step.action]
    yield style, f"{sign} {shown(step.address)}" + (f"  ({_WHO[origin]})" if origin else "")
    for delta in step.deltas:
        yield from (("" if step.action == "create" else style, each) for each in _delta(step.action, delta))


def _delta(action: Action, delta: Delta) -> Iterator[str]:
    if action == "create" and delta.field == "policies":
        for name, policy in delta.wanted.items():
            yield from (f"    {delta.field}.{name}: {_statement(each)}" for each in policy["Statement"])
    elif action == "create":
        yield f"    {delta.field}: {_short(delta.wanted)}"
    elif isinstance(delta.found, list) and isinstance(delta.wanted, list):
        yield f"    {delta.field}:"
        yield from (f"      - {_whole(each)}" for each in delta.found if each not in delta.wanted)
        yield from (f"      + {_whole(each)}" for each in delta.wanted if each not in delta.found)
    elif isinstance(delta.found, str) and isinstance(delta.wanted, str) and _is_long(delta):
        yield f"    {delta.field}:"
        before, after = delta.found.splitlines(), delta.wanted.splitlines()
        for each in list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]:
            yield f"      {each}"
    else:
        yield f"    {delta.field}: {_whole(delta.found)} -> {_whole(delta.wanted)}"


def _statement(statement: Mapping[str, Any]) -> str:
    """A policy's statement as a sentence: what a reviewer looks for first."""
    names = {key: _names_of(statement.get(key, "*")) for key in ("Action", "Resource")}
    limited = ", with conditions" if statement.get("Condition") else ""
    return f"{statement.get('Effect')} {names['Action']} on {names['Resource']}{limited}"


def _names_of(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_long(delta: Delta) -> bool:
    return "\n" in delta.found or "\n" in delta.wanted


def _whole(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=str, sort_keys=True)


def _short(value: Any) -> str:
    return line(_whole(value), _LONG)


def _step(step: Step, origin: Origin | None) -> dict[str, Any]:
    return {
        **({"origin": origin} if origin else {}),
        "address": str(step.address),
        "action": step.action,
        "deltas": [{"field": each.field, "found": each.found, "wanted": each.wanted} for each in step.deltas],
    }


def _names(addresses: tuple[Address, ...]) -> list[str]:
    return [str(address) for address in addresses]


def _things(count: int) -> str:
    return "1 resource is" if count == 1 else f"{count} resources are"
