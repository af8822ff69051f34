"""What a run leaves: its folder, and things in the engine."""

from __future__ import annotations

import json
from pathlib import Path

from lambdactl.container import Engine


def folder(printed: str) -> Path:
    """The run's folder: the last line that run-local prints."""
    return Path(printed.strip().splitlines()[-1])


def result(printed: str) -> dict:
    return dict(json.loads((folder(printed) / "result.json").read_text()))


def everything_in(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file())


def leftovers(engine: Engine) -> list[str]:
    kinds = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
    return [
        each
        for kind in kinds
        for each in engine.call(*kind, "--filter", "label=lambdactl.owner").stdout.decode().split()
    ]
