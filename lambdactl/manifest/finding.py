"""One thing wrong at a path inside a document, before it has a file and a line. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lambdactl.manifest.references import LITERAL_SECRET

Path = tuple[str | int, ...]

HIDDEN = "(looks like a secret)"
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.DOTALL)
_WORD = re.compile(r"[^\s\"'`,;()]+")


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
        text += f"[{part}]" if isinstance(part, int) else f".{masked(part)}" if text else masked(part)
    return text


def shown(value: Any) -> str:
    """A value for an error text: quoted, short, and never one that looks like a secret."""
    text = json.dumps(value, ensure_ascii=False)
    if LITERAL_SECRET.search(text):
        return HIDDEN
    return text if len(text) <= 60 else f"{text[:57]}..."


def masked(text: str) -> str:
    """`text` without the words in it that look like secrets: the net below everything that is said."""
    if not LITERAL_SECRET.search(text):
        return text
    return _WORD.sub(
        lambda word: HIDDEN if LITERAL_SECRET.search(word[0]) else word[0], _PRIVATE_KEY.sub(HIDDEN, text)
    )
