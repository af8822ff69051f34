"""One thing wrong at a path inside a document, before it has a file and a line. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lambdactl.manifest.references import LITERAL_SECRET

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """`key` points at the key instead of the value; `place` overrides the path (line, column)."""

    path: Path
    what: str
    hint: str = ""
    key: bool = False
    place: tuple[int, int] | None = None


def dotted(path: Iterable[str | int]) -> str:
    """("mcpServers", "git", "args", 1) -> "mcpServers.git.args[1]"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: Any) -> str:
    """A value for an error text: quoted, short, and never one that looks like a secret."""
    if isinstance(value, str) and LITERAL_SECRET.search(value):
        return "(a value that looks like a secret)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
