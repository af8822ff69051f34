"""A tiny kind of resource for the engine's tests, and a world that refuses dangling references."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from lambdactl.engine import Address, Call, Effect, Resource, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Resource):
    kind: ClassVar[str] = "thing"
    frozen_fields: ClassVar[frozenset[str]] = frozenset({"shape"})

    size: int = 0
    shape: str = ""
    uses: tuple[str, ...] = ()
    whole: str = ""  # what it is a part of

    def needs(self) -> tuple[Address, ...]:
        return tuple(Address("thing", name) for name in self.uses)

    def part_of(self) -> Address | None:
        return Address("thing", self.whole) if self.whole else None

    def _call(self, operation: str) -> Call:
        parameters = {field: getattr(self, field) for field in ("name", *KEPT)}
        return Call(service="things", operation=operation, parameters=parameters)

    def create(self) -> Iterator[Effect]:
        yield self._call("Create")

    def update(self, found: Self) -> Iterator[Effect]:
        yield self._call("Update")

    def delete(self) -> Iterator[Effect]:
        yield self._call("Delete")


def world(*things: Thing) -> dict[Address, Resource]:
    return {thing.address: thing for thing in things}


KEPT = ("size", "shape", "uses", "whole")


class Cloud:
    """Holds things by name; refuses a reference to what is not there, as AWS does."""

    def __init__(self, found: World) -> None:
        self.things: dict[str, Mapping[str, object]] = {}
        self.calls: list[str] = []
        self.broken: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        for thing in found.values():
            assert isinstance(thing, Thing)
            self.things[thing.name] = {key: getattr(thing, key) for key in KEPT}

    def perform(self, effect: Effect) -> None:
        assert isinstance(effect, Call)
        name = effect.parameters["name"]
        with self._lock:
            if name in self.broken:
                raise RuntimeError(f"{name} is broken")
            self.calls.append(f"{effect.operation} {name}")
            if effect.operation == "Delete":
                users = [other for other, thing in self.things.items() if name in thing["uses"]]  # type: ignore[operator]
                assert not users, f"{name} is still used by {users}"
                del self.things[name]
                return
            assert (effect.operation == "Create") == (name not in self.things), effect
            missing = [use for use in effect.parameters["uses"] if use not in self.things]
            assert not missing, f"{name} needs {missing}"
            self.things[name] = {key: effect.parameters[key] for key in KEPT}

    def world(self) -> dict[Address, Resource]:
        return world(*(Thing(name=name, **thing) for name, thing in self.things.items()))  # type: ignore[arg-type]
