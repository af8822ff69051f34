"""What a run leaves: its folder, and things in the engine."""

from __future__ import annotations

import json
from pathlib import Path

from lambdactl.container import Engine
from lambdactl.runners.owner import LEFTOVERS, Owner
from tests.support.program import Program


def folder(printed: str) -> Path:
    """The run's folder: the last line that run-local prints."""
    return Path(printed.strip().splitlines()[-1])


def result(printed: str) -> dict:
    return dict(json.loads((folder(printed) / "result.json").read_text()))


def everything_in(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file())


def leftovers(engine: Engine, project: Program) -> list[str]:
    """Of what this project's commands made: other tests' runs come and go beside it."""
    found = [name for listing, _ in LEFTOVERS for name in engine.call(*listing).stdout.decode().split()]
    return [name for name in found if (owner := Owner.of(name)) and owner.pid in project.pids]
