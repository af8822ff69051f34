"""A file of a build context, and writing many of them down with fixed modes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class File:
    content: bytes = field(repr=False)
    executable: bool = False

    @cached_property  # asked for by every fingerprint that the file goes into
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def write(files: Mapping[str, File], folder: Path) -> None:
    """Write all below `folder`, readable by everyone whatever the umask is."""
    for path, file in files.items():
        target = folder / path
        for parent in reversed(target.relative_to(folder).parents):
            (folder / parent).mkdir(exist_ok=True)
            (folder / parent).chmod(0o755)
        target.write_bytes(file.content)
        target.chmod(0o755 if file.executable else 0o644)
