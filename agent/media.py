"""Content types of stored files by their names, and which of them a browser may open itself. Pure.

A link into the bucket must run nothing that an agent wrote: what could hold a script is handed over as
a file. What is text is called plain text, since browsers show that and save the rest.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath

PLAIN = "text/plain; charset=utf-8"
UNKNOWN = "application/octet-stream"

# All that is opened; whatever is not known to be harmless is saved (HTML, SVG, XML, PDF, …).
OPENED = frozenset({PLAIN, "application/json", "image/gif", "image/jpeg", "image/png", "image/webp"})

_TEXT = re.compile(
    r"\.(adoc|bash|bat|c|cc|cfg|conf|cpp|cs|csv|diff|err|go|gradle|h|hpp|ini|java|jsonl|jsx|kt|lock|log|lua|md"
    r"|ndjson|out|patch|php|pl|properties|proto|ps1|py|rb|rs|rst|scala|sh|sql|swift|tap|tf|toml|tsx?|tsv|txt"
    r"|ya?ml)"
)
_NAMES = frozenset(("Dockerfile", "LICENSE", "Makefile", "README", "CHANGELOG", "NOTICE"))
_TYPES = {".json": "application/json", ".webp": "image/webp", ".mhtml": "multipart/related"}


def content_type(name: str) -> str:
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if _TEXT.fullmatch(suffix) or path.name in _NAMES:
        return PLAIN
    guessed = _TYPES.get(suffix) or mimetypes.guess_type(path.name)[0] or UNKNOWN
    if guessed == "text/plain":
        return PLAIN
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def disposition(content_type: str) -> str:
    """What a browser is told to do: HTTP's Content-Disposition."""
    return "inline" if content_type in OPENED else "attachment"
