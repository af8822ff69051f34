"""What was left out, and why: gathered on the way, told briefly in a note. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

NAMED = 5  # names of a kind that a note holds


@dataclass(slots=True)
class Left:
    """Names by reason. `what` begins each note."""

    by_reason: dict[str, list[str]] = field(default_factory=dict)
    what: str = "left out"

    def out(self, name: str, reason: str) -> None:
        self.by_reason.setdefault(reason, []).append(name)

    def add(self, other: Left) -> None:
        for reason, names in other.by_reason.items():
            self.by_reason.setdefault(reason, []).extend(names)

    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"{self.what}, {reason}: {', '.join(names[:NAMED])}"
            + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
            for reason, names in self.by_reason.items()
        )
