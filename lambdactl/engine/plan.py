"""Found and wanted states in, a plan out. Pure; standard library only.

Order, over all addresses, those that stay as they are included:
1. a resource comes after each thing it needs in the wanted world;
2. a thing that goes away comes after everything that needed it in the found world, also after an
   update that stops needing it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from lambdactl.engine.resource import Address, Delta, Resource, deltas, described

Action = Literal["create", "update", "replace", "delete"]
World = Mapping[Address, Resource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    address: Address
    action: Action
    deltas: tuple[Delta, ...]
    found: Resource | None
    wanted: Resource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`steps` in an order that works; `after` says what each address really waits for."""

    steps: tuple[Step, ...]
    after: Mapping[Address, tuple[Address, ...]]
    unchanged: int
    refused: tuple[Address, ...] = ()  # found under our names, but not ours
    orphans: tuple[Address, ...] = ()  # ours and no longer wanted, but not to be removed now
    kept: tuple[Address, ...] = ()  # no longer wanted, kept since they hold data
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of addresses, actions and differences only: equal plans have equal fingerprints."""
        content = [
            [str(step.address), step.action, [[d.field, repr(d.found), repr(d.wanted)] for d in step.deltas]]
            for step in sorted(self.steps, key=lambda step: step.address)
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def count(self, action: Action) -> int:
        return sum(step.action == action for step in self.steps)


def make_plan(
    found: World,
    wanted: World,
    *,
    remove: bool = False,
    remove_data: bool = False,
    notes: tuple[str, ...] = (),
) -> Plan:
    """The plan that leads from `found` to `wanted`.

    What is found and not wanted goes away only with `remove`; where it holds data (`Resource.data`),
    only with `remove_data` as well. A part (`Resource.part_of`) of what is wanted goes in any case,
    unless something that stays needs it.
    """
    refused = tuple(sorted(a for a in wanted if a in found and not found[a].owned))
    gone = sorted(a for a in found if a not in wanted and found[a].owned)
    kept = tuple(a for a in gone if found[a].data and not (remove and remove_data))
    leaving = {a for a in gone if a not in kept and (remove or found[a].part_of() in wanted)}
    while not remove and (held := leaving & _needed(found, (a for a in gone if a not in leaving))):
        leaving -= held
    orphans = tuple(a for a in gone if a not in leaving and a not in kept)

    steps = {a: step for a in wanted if a not in refused and (step := _step(found.get(a), wanted[a]))}
    for address in sorted(leaving):
        steps[address] = Step(address=address, action="delete", deltas=(), found=found[address], wanted=None)
    after = _after(found, wanted, leaving)
    return Plan(
        steps=tuple(steps[a] for a in _sorted(after) if a in steps),
        after=after,
        unchanged=sum(a in found and a not in steps and a not in refused for a in wanted),
        refused=refused,
        orphans=orphans,
        kept=kept,
        notes=notes,
    )


def _step(found: Resource | None, wanted: Resource) -> Step | None:
    if found is None:
        action: Action = "create"
        changes = described(wanted)
    else:
        changes = deltas(found, wanted)
        if not changes:
            return None
        frozen = any(change.field.partition(".")[0] in wanted.frozen_fields for change in changes)
        action = "replace" if frozen else "update"
    return Step(address=wanted.address, action=action, deltas=changes, found=found, wanted=wanted)


def _needed(found: World, addresses: Iterable[Address]) -> set[Address]:
    return {need for address in addresses for need in found[address].needs()}


def _after(found: World, wanted: World, leaving: Collection[Address]) -> dict[Address, tuple[Address, ...]]:
    waits: dict[Address, set[Address]] = {address: set() for address in {*wanted, *leaving}}
    for address, resource in wanted.items():
        waits[address].update(need for need in resource.needs() if need in wanted)
    going = set(leaving)
    for address, resource in found.items():
        for need in resource.needs():
            if need in going and address in waits:
                waits[need].add(address)
    # Sorted, or the order of the plan would depend on how sets iterate.
    return {address: tuple(sorted(waits[address])) for address in sorted(waits)}


def _sorted(after: Mapping[Address, tuple[Address, ...]]) -> list[Address]:
    try:
        return list(TopologicalSorter(after).static_order())
    except CycleError as error:
        circle = " -> ".join(str(address) for address in error.args[1])
        raise ValueError(f"resources need each other in a circle: {circle}") from error
