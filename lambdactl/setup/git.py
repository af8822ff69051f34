"""What git knows of a folder: its repository, the remote's name, the commit. Changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

_REMOTE = re.compile(r"(?:^|[/:@])(?P<host>[A-Za-z0-9.-]+)[/:](?P<path>[^/:]+/[^/:]+?)(?:\.git)?/?$")


def top(folder: Path) -> Path | None:
    """The repository's top folder; None outside of one, or without git."""
    answer = _git(folder, "rev-parse", "--show-toplevel")
    return Path(answer).resolve() if answer else None


def repository(folder: Path) -> str:
    """OWNER/NAME of the remote `origin` on whichever host, or ""."""
    match = _REMOTE.search(_git(folder, "remote", "get-url", "origin"))
    return match["path"] if match else ""


def commit(folder: Path) -> str:
    """What is checked out, with "-dirty" when the folder holds anything else; "" without a commit."""
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    # A new manifest is applied before git knows it: files that are not tracked count too.
    changes = head and _git(folder, "--no-optional-locks", "status", "--porcelain", "--", ".")
    return f"{head}-dirty" if changes else head


def _git(folder: Path, *arguments: str) -> str:
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], env=env, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
