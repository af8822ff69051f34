"""The end of a text file that may be long, or not there."""

from __future__ import annotations

import os
from pathlib import Path

SIZE = 4096  # bytes


def tail(file: Path, size: int = SIZE) -> str:
    """The last `size` bytes, from the beginning of a line on: half a line may hold half a secret."""
    try:
        # A pipe that a job put in its place is empty, instead of waiting for a writer.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            start = max(0, os.fstat(stream.fileno()).st_size - size)
            stream.seek(start)
            content = stream.read(size)
    except OSError:
        return ""
    return (content.partition(b"\n")[2] if start else content).decode("utf-8", "replace")


def ends(file: Path, size: int) -> str:
    """All of it, or its first and its last `size` bytes."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            first = stream.read(size)
            whole = os.fstat(stream.fileno()).st_size <= size
    except OSError:
        return ""
    return first.decode("utf-8", "replace") + ("" if whole else f"\n{tail(file, size)}")


def last_line(file: Path) -> str:
    """The last line with anything on it."""
    lines = [line.strip() for line in tail(file).splitlines() if line.strip()]
    return lines[-1] if lines else ""
