"""Removes a tree that a job made, whatever it did to it. Follows no link."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path


def wipe(root: Path) -> None:
    """Raises OSError when it cannot.

    Every folder is moved up to the root before it is emptied: no path gets too long for the system,
    and nothing recurses, however deep a job has dug.
    """
    if not os.path.lexists(root):
        return
    if not stat.S_ISDIR(os.lstat(root).st_mode):
        root.unlink()
        return
    folders = [str(root)]
    while folders:
        folder = folders.pop()
        os.chmod(folder, 0o700)
        with os.scandir(folder) as found:
            entries = list(found)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)  # a folder that is moved is written to: it has another parent
                moved = os.path.join(root, f".{uuid.uuid4().hex}")
                os.rename(entry.path, moved)
                folders.append(moved)
            else:
                os.unlink(entry.path)
        if folder != str(root):
            os.rmdir(folder)
    root.rmdir()
