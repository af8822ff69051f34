"""Definitions of runs on this machine, kept by their hash: those of deployed jobs are in the bucket.

What a page of a run says of its prompt comes from here. It is believed only if it has the hash it is
called by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdactl.definition import canonical, digest
from lambdactl.files import replace_file


def keep(root: Path, document: Mapping[str, Any]) -> None:
    """Keep it for the project at `root`."""
    folder = _folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / f"{digest(document)}.json", canonical(document).decode())


def kept(root: Path, sha256: str) -> bytes | None:
    """The definition with this hash, None when there is none here."""
    file = _folder(root) / f"{sha256}.json"
    return file.read_bytes() if sha256 and file.is_file() else None


def is_it(content: bytes, sha256: str) -> bool:
    return hashlib.sha256(content).hexdigest() == sha256


def _folder(root: Path) -> Path:
    return root / ".lambdactl" / "definitions"
