"""The sandbox's /tmp outside the run's own folders: emptied, since the next run of a warm sandbox finds it.

Only ever in a sandbox that is the function's alone. Follows no link.
"""

from __future__ import annotations

import os
from pathlib import Path

from agent.wipe import wipe


def empty(scratch: Path, keep: Path) -> list[str]:
    """Remove all of our user's in `scratch` but `keep`; the names of what would not go."""
    left = []
    try:
        with os.scandir(scratch) as found:
            entries = [entry for entry in found if entry.path != str(keep) and _is_ours(entry)]
    except OSError:
        return [str(scratch)]
    for entry in entries:
        try:
            wipe(Path(entry.path))
        except OSError:
            left.append(entry.name)
    return left


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    except OSError:
        return False  # it has gone
