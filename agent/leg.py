"""The legs of a run as values: what those before came to, what a checkpoint says. Pure.

A run that may take more than one invocation (`legs` in the manifest) is a chain of them: each goes on
from the checkpoint that the one before left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.clis import Cli, Resume
from agent.contract import VERSION, ContractError
from agent.layout import Layout
from agent.result import LegRecord, StoredFile, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of the archive. `kept` is what the store wants to forget it wholly."""

    name: str
    size: int
    sha256: str
    kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sofar:
    """What the legs before came to; the caps of a run hold over all of them."""

    started_at: str = ""  # of the first
    session_id: str = ""
    seconds: float = 0.0  # of work
    legs: tuple[LegRecord, ...] = ()
    files: tuple[StoredFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        return sum((leg.usage for leg in self.legs), Usage())

    @property
    def cost_usd(self) -> float | None:
        """None when that of one leg is not known: a part of it would pass for the whole."""
        costs = [leg.cost_usd for leg in self.legs if leg.cost_usd is not None]
        return sum(costs) if self.legs and len(costs) == len(self.legs) else None

    @property
    def turns(self) -> int | None:
        turns = [leg.turns for leg in self.legs if leg.turns is not None]
        return sum(turns) if self.legs and len(turns) == len(self.legs) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A checkpoint: all that the leg which goes on has to know."""

    run_id: str
    leg: int  # that goes on from it
    definition: str  # SHA-256
    sofar: Sofar
    parts: tuple[Part, ...]

    def dump(self) -> dict[str, Any]:
        sofar = self.sofar
        return {
            "version": VERSION,
            "runId": self.run_id,
            "leg": self.leg,
            "definition": self.definition,
            "startedAt": sofar.started_at,
            "sessionId": sofar.session_id,
            "seconds": sofar.seconds,
            "legs": [leg.dump() for leg in sofar.legs],
            "files": [file.dump() for file in sofar.files],
            "notes": list(sofar.notes),
            "parts": [[each.name, each.size, each.sha256, each.kept] for each in self.parts],
        }

    @classmethod
    def parse(cls, document: Any) -> Record:
        try:
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']!r}")
            return cls(
                run_id=document["runId"],
                leg=document["leg"],
                definition=document["definition"],
                sofar=_sofar(document),
                parts=tuple(
                    Part(name=name, size=size, sha256=sha256, kept=kept)
                    for name, size, sha256, kept in document["parts"]
                ),
            )
        except (KeyError, TypeError, ValueError) as wrong:
            raise ContractError(f"not a checkpoint's record of version {VERSION}: {wrong!r}") from None


def _sofar(document: Mapping[str, Any]) -> Sofar:
    return Sofar(
        started_at=document["startedAt"],
        session_id=document["sessionId"],
        seconds=float(document["seconds"]),
        legs=tuple(map(LegRecord.parse, document["legs"])),
        files=tuple(map(StoredFile.parse, document["files"])),
        notes=tuple(document["notes"]),
    )


def _nothing(layout: Layout, cli: Cli) -> None:
    """The first leg has nothing to restore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """This invocation's leg of its run. `problem` is why it cannot go on."""

    number: int = 1
    sofar: Sofar = field(default_factory=Sofar)
    resume: Resume | None = None
    restore: Callable[[Layout, Cli], None] = _nothing
    stored: Mapping[str, str] = field(default_factory=dict)  # of the checkpoint: what to forget at the end
    problem: str = ""

    def started_at(self, began: datetime) -> datetime:
        """When the run began, if this leg did at `began`."""
        return (
            datetime.fromisoformat(self.sofar.started_at.replace("Z", "+00:00")) if self.sofar.legs else began
        )
