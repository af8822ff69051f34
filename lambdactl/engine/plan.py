"""Found and wanted states in, a plan out. Pure; standard library only.

Order, over all addresses, those that stay as they are included:
1. a resource comes after each thing it needs in the wanted world;
2. a thing that goes away comes after everything that needed it in the found world, also after an
   update that stops needing it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from lambdactl.engine.resource import Address, Delta, Resource, deltas, described, hash_of

Action = Literal["create", "update", "replace", "delete"]
World = Mapping[Address, Resource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    address: Address
    action: Action
    deltas: tuple[Delta, ...]
    found: Resource | None
    wanted: Resource | None

    @property
    def bookkeeping(self) -> bool:
        resource = self.wanted or self.found
        return resource is not None and resource.bookkeeping


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a plan may do beside making what is wanted.

    `remove` takes away what is found and not wanted; where that holds data (`Resource.data`) only what
    `remove_data` answers true to. A part (`Resource.part_of`) of what is wanted goes in any case. Nothing
    goes that something which stays needs. `adopt` takes over what has our names and nobody's mark. Only what
    `chosen` answers true to, and what that needs, is planned for.
    """

    remove: bool = False
    remove_data: Callable[[Resource], bool] = lambda resource: False
    adopt: bool = False
    chosen: Callable[[Address], bool] = lambda address: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`steps` in an order that works; `after` says what each address really waits for."""

    steps: tuple[Step, ...]
    after: Mapping[Address, tuple[Address, ...]]
    unchanged: int
    refused: tuple[Address, ...] = ()  # found under our names, but not ours
    blocked: tuple[tuple[Address, str], ...] = ()  # not planned for, since it cannot be told what it is
    protected: tuple[Address, ...] = ()  # no longer wanted, and not to be removed
    orphans: tuple[Address, ...] = ()  # ours and no longer wanted, but not to be removed now
    kept: tuple[Address, ...] = ()  # no longer wanted, kept since they hold data
    left_out: int = 0  # differences in what was not chosen
    problems: tuple[str, ...] = ()  # why this plan must not be carried out
    notes: tuple[str, ...] = ()
    place: str = ""  # what it was made for: removals look alike everywhere
    found: World = field(default_factory=dict, compare=False, repr=False)
    wanted: World = field(default_factory=dict, compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """Of the place, addresses, actions and differences only: equal plans have equal fingerprints."""
        content = [
            [str(step.address), step.action, *_told(step)]
            for step in sorted(self.steps, key=lambda step: step.address)
        ]
        text = json.dumps(
            [self.place, content], sort_keys=True, default=str
        )  # whatever the order of what AWS answers
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def count(self, action: Action) -> int:
        return sum(step.action == action for step in self.steps)


def make_plan(found: World, wanted: World, choice: Choice | None = None) -> Plan:
    """The plan that leads from `found` to `wanted`."""
    choice = choice or Choice()
    refused = {a for a in wanted if a in found and not _may_change(found[a], choice)}
    blocked = _blocked({a: each for a, each in found.items() if a not in refused}, wanted)
    steps = {
        a: step
        for a in wanted
        if a not in refused and a not in blocked and (step := step_to(found.get(a), wanted[a]))
    }
    gone = _gone(found, wanted, blocked, choice)
    for address in gone["leaving"]:
        steps[address] = Step(address=address, action="delete", deltas=(), found=found[address], wanted=None)
    taken = _with_needs(wanted, choice.chosen) | _going(found, gone["leaving"], choice)
    after = _after(found, wanted, gone["leaving"])
    return Plan(
        steps=tuple(steps[a] for a in _sorted(after) if a in steps and a in taken),
        after=after,
        unchanged=sum(
            not wanted[a].bookkeeping
            for a in wanted.keys() & found.keys() - steps.keys() - blocked.keys() - refused
        ),
        refused=tuple(sorted(refused & taken)),
        blocked=tuple((a, blocked[a]) for a in sorted(blocked) if a in taken or a not in wanted),
        protected=gone["protected"],
        orphans=gone["orphans"],
        kept=gone["kept"],
        left_out=len(steps.keys() - taken),
        found=found,
        wanted=wanted,
    )


def _told(step: Step) -> Iterator[Any]:
    """The differences of a step, the same for whoever reads them in AWS."""
    wanted, half_read = step.wanted, step.wanted.half_read if step.wanted else frozenset[str]()
    told = (each for each in step.deltas if each.field.partition(".")[0] not in half_read)
    yield [[each.field, each.found, each.wanted] for each in told]
    if half_read:
        yield hash_of(wanted)


def step_to(found: Resource | None, wanted: Resource) -> Step | None:
    """What leads from `found` to `wanted`; None when nothing does, since they are equal."""
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


def _may_change(found: Resource, choice: Choice) -> bool:
    return found.mark == "ours" or (choice.adopt and found.mark == "none")


def _gone(
    found: World, wanted: World, blocked: Mapping[Address, str], choice: Choice
) -> dict[str, tuple[Address, ...]]:
    """What is ours and no longer wanted, and what becomes of it: each address under one word."""
    held = {need for address in blocked if address in found for need in found[address].needs()}
    result: dict[str, set[Address]] = {"leaving": set(), "protected": set(), "orphans": set(), "kept": set()}
    for address in sorted(found):
        resource = found[address]
        if address in wanted or not resource.owned or address in blocked or address in held:
            continue
        if resource.data and not (choice.remove and choice.remove_data(resource)):
            result["kept"].add(address)
        elif resource.part_of() in wanted:
            result["leaving"].add(address)
        elif resource.protected:
            result["protected"].add(address)
        else:
            result["leaving" if choice.remove else "orphans"].add(address)
    while stay := result["leaving"] & _needed(found, result["protected"] | result["orphans"]):
        result["leaving"] -= stay
        result["protected" if choice.remove else "orphans"] |= stay
    return {word: tuple(sorted(addresses)) for word, addresses in result.items()}


def _going(found: World, leaving: Collection[Address], choice: Choice) -> set[Address]:
    """What of `leaving` is chosen, and not needed by what would be left behind."""
    going = {address for address in leaving if choice.chosen(address)}
    while stay := going & _needed(found, set(leaving) - going):
        going -= stay
    return going


def _needed(found: World, addresses: Collection[Address]) -> set[Address]:
    return {need for address in addresses for need in found[address].needs()}


def _blocked(found: World, wanted: World) -> dict[Address, str]:
    """What is blocked itself, and what needs that: nothing is built upon what nobody knows."""
    blocked = {address: each.blocked for address, each in found.items() if each.blocked}
    cause = {address.name: address for address in blocked if not found[address].shared}
    waiting = {address: resource.needs() for address, resource in wanted.items()}
    while blocked:
        more = {
            address: f"needs {need}"
            for address, needs in waiting.items()
            for need in needs
            if need in blocked and address not in blocked
        }
        if not more:
            break
        blocked |= more
    for address in wanted.keys() - blocked.keys():  # a job is changed as a whole or not at all
        if address.name in cause and not wanted[address].shared:
            blocked[address] = f"goes with {cause[address.name]}"
    return blocked


def _with_needs(wanted: World, chosen: Callable[[Address], bool]) -> set[Address]:
    taken: set[Address] = set()
    todo = [address for address in wanted if chosen(address)]
    while todo:
        address = todo.pop()
        if address in wanted and address not in taken:
            taken.add(address)
            todo.extend(wanted[address].needs())
    return taken


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
