"""What a resource is, and what it may ask of the world: calls as data. Pure; standard library only.

The same frozen type holds the wanted and the found state, so a difference is field inequality.
`create`, `update` and `delete` yield descriptions (`Call`, `Build`); nothing here performs them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple, Self


class Address(NamedTuple):
    """A resource's name in plans: `function.triage`. A tuple: plans hash and sort many."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Stands in a call's parameters for `<repository>@<digest>`: the one value known late.

    A digest exists only after the push; the tag (the image's fingerprint) is known before.
    """

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """After a call, poll `operation` until no value at `paths` is one of `pending`.

    `paths` are dotted (`Configuration.State`). A value in `failed` ends the wait with an error whose
    text and code stand at the first of `reasons` and `codes` that says anything. Any other value, one that
    we do not know included, is fine.
    """

    operation: str
    parameters: Mapping[str, Any]
    paths: tuple[str, ...]
    pending: frozenset[str]
    failed: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to AWS, by botocore's names of service and operation."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    before: Wait | None = None  # must hold before the call: an update runs alone
    wait: Wait | None = None  # must hold after it
    tolerate: frozenset[str] = frozenset()  # error codes that mean "it is so already"
    undo: Call | None = None  # made, and the call once more, when the wait after it fails with ...
    redo: frozenset[str] = frozenset()  # ... one of these codes


@dataclass(frozen=True, slots=True)
class Build:
    """Build the image with this fingerprint and push it under this tag."""

    tag: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Nothing to change: something is under way already, and is to end well."""

    service: str
    wait: Wait


Effect = Call | Build | Settle
# Whose a found resource is: with our mark, with none, or with the mark of another project or environment.
Mark = Literal["ours", "none", "theirs"]


@dataclass(frozen=True, slots=True)
class Delta:
    """One field that differs. Nested mappings are dotted: `environment.LAMBDACTL_DEFINITION`."""

    field: str
    found: Any
    wanted: Any


def computed() -> Any:
    """A field that follows from the resource's name and the site: says nothing new to a reader."""
    return field(metadata={"computed": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Base of all kinds. A field that AWS invents is `compare=False`."""

    kind: ClassVar[str]
    frozen_fields: ClassVar[frozenset[str]] = frozenset()  # changing one means replace
    half_read: ClassVar[frozenset[str]] = frozenset()  # not everybody who plans may read what is found
    data: ClassVar[bool] = False  # holds users' data: kept unless its removal is asked for
    shared: ClassVar[bool] = False  # by all jobs; otherwise `name` is the job's
    bookkeeping: ClassVar[bool] = False  # follows from the job's other resources: says nothing to a reader

    name: str
    mark: Mark = field(default="ours", compare=False, repr=False)
    protected: bool = field(default=False, compare=False, repr=False)  # is not to be removed
    blocked: str = field(default="", compare=False, repr=False)  # why nothing can be said or done about it

    @property
    def address(self) -> Address:
        return Address(self.kind, self.name)

    @property
    def owned(self) -> bool:
        return self.mark == "ours"

    def needs(self) -> tuple[Address, ...]:
        """What must exist before this does."""
        return ()

    def part_of(self) -> Address | None:
        """What it is a part of: while that is wanted, this goes as soon as it is not, without being asked."""
        return None

    def telling(self) -> frozenset[str]:
        """Computed fields that say something new to a reader all the same."""
        return frozenset()

    def create(self) -> Iterator[Effect]:
        raise NotImplementedError(self.kind)

    def update(self, found: Self) -> Iterator[Effect]:
        raise NotImplementedError(self.kind)

    def delete(self) -> Iterator[Effect]:
        raise NotImplementedError(self.kind)


def deltas(found: Resource, wanted: Resource) -> tuple[Delta, ...]:
    """The fields in which two states of one resource differ, in the order they are declared."""
    if found == wanted:
        return ()
    return tuple(
        delta
        for each in fields(wanted)
        if each.compare
        for delta in _differ(each.name, getattr(found, each.name), getattr(wanted, each.name))
    )


def described(resource: Resource) -> tuple[Delta, ...]:
    """What is to be created, as differences from nothing; without what follows from its name."""
    return tuple(
        Delta(each.name, None, getattr(resource, each.name))
        for each in fields(resource)
        if each.compare
        and each.name != "name"
        and (not each.metadata.get("computed") or each.name in resource.telling())
        and getattr(resource, each.name) not in (None, "", (), {})
    )


def _differ(path: str, found: Any, wanted: Any) -> Iterator[Delta]:
    if found == wanted:
        return
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*found, *wanted}):
            yield from _differ(f"{path}.{key}", found.get(key), wanted.get(key))
    else:
        yield Delta(path, found, wanted)


ABSENT = ""  # the hash of a resource that does not exist, or is not wanted


def hash_of(resource: Resource | None) -> str:
    """Equal for equal resources: 16 hex digits over the fields that a plan compares."""
    if resource is None:
        return ABSENT
    compared = {each.name: getattr(resource, each.name) for each in fields(resource) if each.compare}
    text = json.dumps(compared, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} in a resource's field has no canonical form")
