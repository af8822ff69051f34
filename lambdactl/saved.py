"""A plan kept in a file: what was read, so that exactly that is applied, or nothing. Pure.

The file holds no instructions. To apply it, the plan is made again, and refused unless it is the same:
same manifests, same findings in AWS, same differences.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from lambdactl.engine import Plan, World, hash_of
from lambdactl.errors import Refused, UsageError
from lambdactl.scope import DAYS_MAX, Scope
from lambdactl.site import Site

VERSION = 1
_SHOWN = 12  # of what moved, in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """`found` and `wanted`: address -> hash of the resource as it was then."""

    place: str
    scope: Scope
    fingerprint: str
    commit: str
    found: Mapping[str, str]
    wanted: Mapping[str, str]


def saved(plan: Plan, scope: Scope, site: Site, commit: str) -> Saved:
    removed = {step.address for step in plan.steps}
    return Saved(
        place=str(site),
        scope=scope,
        fingerprint=plan.fingerprint,
        commit=commit,
        # What is there and not wanted any more (old images) may come and go meanwhile.
        found=_hashes({a: plan.found[a] for a in plan.found if a in plan.wanted or a in removed}),
        wanted=_hashes(plan.wanted),
    )


def dump(saved: Saved) -> str:
    return json.dumps({"version": VERSION, **asdict(saved)}, indent=2, sort_keys=True) + "\n"


def parse(text: str, name: str) -> Saved:
    """Raises UsageError for what is no plan of ours."""
    try:
        document: dict[str, Any] = json.loads(text)
        if document.pop("version") != VERSION:
            raise UsageError("it was written by another version of lambdactl", where=name, hint="plan again")
        scope: dict[str, Any] = document.pop("scope")
        for globs in ("targets", "excludes"):
            scope[globs] = tuple(map(_text, scope[globs]))
        return Saved(scope=_typed(Scope(**scope)), **{key: _plain(each) for key, each in document.items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            "this is no saved plan", where=name, why=str(error), hint="`lambdactl plan --out FILE` writes one"
        ) from None


def _typed(scope: Scope) -> Scope:
    """Of the types that `dump` wrote. TypeError for another: "no" would be taken for yes."""
    for each in fields(scope):
        value, default = getattr(scope, each.name), each.default
        days = each.name == "prune_images" and type(value) is int and 0 <= value <= DAYS_MAX
        if type(value) is not type(default) and not days:
            raise TypeError(f"scope.{each.name} is {value!r}")
    return scope


def _plain(value: Any) -> Any:
    return (
        {_text(key): _text(each) for key, each in value.items()} if isinstance(value, dict) else _text(value)
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def check(old: Saved, now: Saved) -> None:
    """Raises Refused, saying what moved, unless `now` is the plan that was saved."""
    if old.place != now.place:
        raise Refused(
            f"the plan was made for {old.place}, this is {now.place}", hint="plan here, or choose with --env"
        )
    moved = [*_moved("in AWS", old.found, now.found), *_moved("in the manifests", old.wanted, now.wanted)]
    if moved or old.fingerprint != now.fingerprint:
        more = f", and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
        what = "; ".join(moved[:_SHOWN]) + more if moved else "the differences are others"
        raise Refused(
            f"the saved plan is out of date: {what}",
            hint="plan again, and read that; `lambdactl history` says who applied what meanwhile",
        )


def _moved(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return [f"{key} changed {where}" for key in changed]


def _hashes(world: World) -> dict[str, str]:
    return {str(address): hash_of(world[address]) for address in sorted(world)}
