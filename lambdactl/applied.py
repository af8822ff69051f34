"""What was wanted of each resource when it was last applied: tells who changed what differs now.

Not a state file: plans never read it, and without it only the words of a drift report are poorer.
Above the line all is pure; below it the one object in the bucket is read and written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lambdactl.aws import Aws
from lambdactl.cell import TRIES, Cell, changed
from lambdactl.engine import ABSENT, Address, Plan, hash_of
from lambdactl.errors import AwsError, Refused
from lambdactl.history import Record
from lambdactl.site import Site

VERSION = 1
Origin = Literal["aws", "git", "both", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    resources: Mapping[str, str] = field(default_factory=dict)  # address -> hash_of what was wanted
    apply: str = ""  # the id of the last apply whose results are in here (lambdactl.history)


@dataclass(frozen=True, slots=True)
class Base:
    """What a resource was made to be at last. More than one hash, and not `sure`, when an apply that
    was to change it was killed or failed: it may be either, or half-way between."""

    hashes: frozenset[str] = frozenset()
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Bases:
    known: Mapping[str, Base]
    otherwise: Base


def merge(old: Applied | None, apply: str, plan: Plan, done: Collection[Address]) -> Applied:
    """`old` after the apply with this id: what it did, and what it found to be as wanted already."""
    resources = dict(old.resources) if old else {}
    passed_over = {step.address for step in plan.steps} | {*plan.refused}
    for address, resource in plan.wanted.items():
        if address not in passed_over and plan.found.get(address) == resource:
            resources[str(address)] = hash_of(resource)
    for step in plan.steps:
        if step.address in done and step.wanted is not None:
            resources[str(step.address)] = hash_of(step.wanted)
        elif step.address in done:
            resources.pop(str(step.address), None)
    return Applied(resources=resources, apply=apply)


def bases(applied: Applied | None, records: Iterable[Record]) -> Bases:
    """What each resource may have been made to be; `records` are those of the latest applies."""
    resources = applied.resources if applied else {}
    known = {address: Base(frozenset({hashed}), True) for address, hashed in resources.items()}
    otherwise = Base(frozenset({ABSENT}) if applied else frozenset())
    for record in records:
        if applied and _settled(record, applied):
            continue
        for step in record.steps:
            if step.result in ("unknown", "failed"):
                before = known.get(step.address, otherwise)
                known[step.address] = Base(before.hashes | {step.wanted})
    return Bases(known, otherwise)


def _settled(record: Record, applied: Applied) -> bool:
    """Whether the snapshot says all that became of it: it is older, or its own end could not be written."""
    return record.id < applied.apply or (record.id == applied.apply and record.status == "running")


def origin(address: str, bases: Bases, found: str, wanted: str) -> Origin:
    """Who made the difference between two hashes that are not equal: somebody in AWS, or git."""
    base = bases.known.get(address, bases.otherwise)
    if found in base.hashes:
        return "git"
    if not base.sure:
        return "unknown"
    return "aws" if wanted in base.hashes else "both"


def dump(applied: Applied) -> bytes:
    document = {"version": VERSION, "apply": applied.apply, "resources": dict(applied.resources)}
    return json.dumps(document, sort_keys=True).encode()


def parse(content: bytes) -> Applied | None:
    """None for what is not one of ours: the next apply writes a new one."""
    try:
        document = json.loads(content)
        resources, apply = document["resources"], document["apply"]
        if document["version"] != VERSION or not all(isinstance(each, str) for each in resources.values()):
            return None
        return Applied(resources=resources, apply=str(apply))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


# ---------------------------------------------------------------------------------------------------


def load(aws: Aws, site: Site) -> Applied | None:
    """None when there is none, or no bucket."""
    stored = Cell(aws, site.bucket, site.applied_key).read()
    return parse(stored.content) if stored else None


def save(aws: Aws, site: Site, change: Callable[[Applied | None], Applied]) -> None:
    """Write `change` of what is there, over nothing else: anew when somebody else wrote meanwhile."""
    cell = Cell(aws, site.bucket, site.applied_key)
    for _ in range(TRIES):
        seen = cell.read()
        try:
            cell.put(dump(change(parse(seen.content) if seen else None)), seen)
        except AwsError as error:
            if not changed(error):
                raise
        else:
            return
    raise Refused(
        "it changes faster than we can write it",
        where=f"s3://{site.bucket}/{site.applied_key}",
        hint="run the command again",
    )
