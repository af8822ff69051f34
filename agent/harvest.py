"""What a run left: (name in the run folder, file). Reads the run's folders, changes nothing.

Whatever lies there was made by the agent and is not to be trusted: only regular files that really
lie below the folder they claim to, in bounded number and size. What is left out is said in a note. A file
is looked at once more when it is opened: by then its path may lead elsewhere.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from agent import media, tree
from agent.left import Left

FILE_MAX = 256 << 20  # bytes of one file
TOTAL_MAX = 2 << 30  # bytes of a run
COUNT_MAX = 2_000  # files of a run
TOO_LATE = "files that no time was left to look for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`below`: where it must really lie, links resolved; None for a file of our own. `prefix` is what its
    name begins with that is ours: the rest is the agent's."""

    name: str  # in the run folder, with "/"
    file: Path
    prefix: str = ""
    below: Path | None = None

    @property
    def content_type(self) -> str:
        return media.content_type(self.name)

    def open(self) -> BinaryIO:
        """Raises OSError. Never waits, as opening a pipe would; what was opened is judged, not its path."""
        descriptor = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("it is no regular file")
            real = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if self.below and not real.is_relative_to(self.below):
                raise OSError("it leads out of the workspace")
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    file: int = FILE_MAX
    total: int = TOTAL_MAX
    count: int = COUNT_MAX


def below(
    folder: Path,
    prefix: str,
    patterns: Iterable[str] = ("**/*",),
    *,
    left: Left,
    late: Callable[[], bool] = lambda: False,
) -> Iterator[Item]:
    """The files below `folder` that match, named `prefix` and their path; of a folder that matches, all.

    They come by pattern: the first ones count first against the bounds. Looking ends once it is `late`: a
    hundred thousand files take seconds, which may be more than there are.
    """
    globs = {}
    for pattern in patterns:
        if stays_inside(pattern):
            globs[pattern] = tree.pattern(pattern)
        else:
            left.out(pattern, "patterns that lead out of the workspace")
    if not globs:
        return
    if folder.is_symlink():
        left.out(prefix, "a folder that was replaced by a link")
        return
    found: dict[str, list[str]] = {pattern: [] for pattern in globs}
    idle = set(globs) - {"**/*"}
    for path in tree.walk(folder, left.out):
        if late():
            left.out(f"{prefix} from {path} on", TOO_LATE)
            idle.clear()  # who knows
            break
        if matching := [pattern for pattern, glob in globs.items() if tree.matches(glob, path)]:
            found[matching[0]].append(path)
            idle.difference_update(matching)
    for pattern in sorted(idle):
        left.out(pattern, "patterns that matched no file")
    real = folder.resolve()
    for path in itertools.chain(*found.values()):
        if late():
            left.out(f"{prefix} from {path} on", TOO_LATE)
            return
        if reason := _refused(folder / path, real):
            left.out(path, reason)
        else:
            yield Item(name=f"{prefix}{path}", file=folder / path, prefix=prefix, below=real)


def bounded(items: Iterable[Item], bounds: Bounds, left: Left) -> Iterator[Item]:
    """As many of `items` as fit, in their order: put first what matters most."""
    total, names = 0, set[str]()
    for item in items:
        if item.name in names:
            left.out(item.name, "files with the name of another")
            continue
        try:
            size = item.file.stat().st_size
        except OSError:
            left.out(item.name, "files that vanished")
            continue
        if size > bounds.file:
            left.out(item.name, f"files over {bounds.file:,} bytes")
        elif total + size > bounds.total:
            left.out(item.name, f"files beyond {bounds.total:,} bytes in all")
        elif len(names) >= bounds.count:
            left.out(item.name, f"files beyond {bounds.count:,} in number")
        else:
            total += size
            names.add(item.name)
            yield item


def file_name(text: str) -> str:
    """`text` as a harmless part of a path."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip(".") or "-"


def stays_inside(pattern: str) -> bool:
    """Whether a pattern of artifacts can name nothing outside the workspace."""
    parts = PurePosixPath(pattern).parts
    return bool(parts) and not pattern.startswith("/") and ".." not in parts


def _refused(path: Path, root: Path) -> str:
    """Why a file is not taken, "" when it is."""
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
    except (OSError, RuntimeError):  # dangling; a loop of links is a RuntimeError before Python 3.13
        return "links that lead nowhere"
    if not real.is_relative_to(root):
        return "links that lead out of the workspace"
    if stat.S_ISDIR(mode):
        return "links to folders"
    if not stat.S_ISREG(mode):
        return "what is no regular file"
    return "" if os.access(real, os.R_OK) else "files that cannot be read"
