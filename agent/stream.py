"""One file that grows, read as it grows and cut into masked, numbered parts. Reads it; stores nothing.

The agent may do with its files what it likes: one that was cut short or replaced is read anew from its
beginning (what was taken before stays), no link is followed, and of a file only what is new is read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from agent.redact import Redactor
from agent.result import StoredFile

WINDOW = 64 << 10  # bytes masked at once: a larger piece would keep the agent's pipes waiting
ENOUGH = 1 << 20  # bytes that make a part at once
PART = 2 << 20  # bytes of a part at most, but for the rest of a value
FRESH = 5.0  # seconds that less than that may lie
KNOWN = 64  # bytes before the place we are at, to tell whether they are still there


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`folder` is that of its parts in the run folder. `below`: the file lies there, at `path`, and no link
    may lead out of it; without, `path` is a file of ours."""

    folder: str
    suffix: str
    path: Path
    below: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    content: bytes


@dataclass(slots=True)
class Stream:
    """Reads `source`. `part` gives the same part until `done` says that it is stored."""

    source: Source
    redactor: Redactor
    stored: list[StoredFile] = field(default_factory=list)
    restarts: int = 0
    size: int = 0  # of the file, when it was last looked at
    since: float | None = None  # the first time that what is not taken yet was seen
    _at: int = 0
    _file: tuple[int, int] | None = None
    _known: bytes = b""
    _rest: bytes = b""  # read, not masked
    _masked: bytearray = field(default_factory=bytearray)  # and not in a part
    _part: Part | None = None

    @property
    def backlog(self) -> int:
        """Bytes that are not stored yet."""
        waiting = len(self._part.content) if self._part else 0
        return max(0, self.size - self._at) + len(self._rest) + len(self._masked) + waiting

    def look(self, now: float) -> None:
        """Whether there is something new."""
        try:
            self.size = os.stat(self.source.path, follow_symlinks=self.source.below is None).st_size
        except OSError:  # gone: what was read of it stays
            self.size = self._at
        if self.since is None and (self.size != self._at or self._masked or self._part):
            self.since = now

    def due(self, now: float) -> bool:
        return self.since is not None and (self.backlog >= ENOUGH or now - self.since >= FRESH)

    def part(self, now: float, *, last: bool = False) -> Part | None:
        """The next part, if there is one to be stored now. `last`: nothing more will be written."""
        if self._part is None:
            ended = self._read(last=last)
            content = self._cut(whole=last and ended)
            self.since = now if self._masked else None
            if content or (last and ended and not self.stored):  # an empty stream is one empty part
                name = f"{self.source.folder}/{len(self.stored) + 1:06}{self.source.suffix}"
                self._part = Part(name=name, content=content)
        return self._part

    def done(self, stored: StoredFile) -> None:
        self.stored.append(stored)
        self._part = None

    def again(self) -> None:
        """From its beginning, as if nothing were stored."""
        self.stored, self._part, self._masked, self._rest, self._known = [], None, bytearray(), b"", b""
        self._at, self.since, self.restarts = 0, None, 0

    def _read(self, *, last: bool) -> bool:
        """Take in what is new, a part's worth of it at most; whether that was all."""
        ended = False
        try:
            descriptor = _open(self.source)
        except OSError:
            ended = True
        else:
            try:
                self._follow(descriptor)
                while len(self._masked) < PART and not ended:
                    ended = not self._take(os.pread(descriptor, WINDOW, self._at))
            except OSError:
                ended = True
            finally:
                os.close(descriptor)
        if ended:
            self._mask(len(self._rest) if last else self.redactor.settled(self._rest))
        return ended

    def _follow(self, descriptor: int) -> None:
        """Start over with a file that is not the one, or no longer begins as what we read of it."""
        found = os.fstat(descriptor)
        file = (found.st_dev, found.st_ino)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a regular file")
        before = self._at - len(self._known)
        same = file == self._file and os.pread(descriptor, len(self._known), before) == self._known
        if self._file is not None and not same:
            self._mask(len(self._rest))  # what follows is another text
            self._at, self._known = 0, b""
            self.restarts += 1
        self._file, self.size = file, found.st_size

    def _take(self, content: bytes) -> bool:
        self._at += len(content)
        self._known = (self._known + content)[-KNOWN:]
        self._rest += content
        # The cheap bound: what begins before it lies in `_rest` whole. The exact one is for the end.
        self._mask(self.redactor.before(self._rest))
        return bool(content)

    def _mask(self, cut: int) -> None:
        self._masked += self.redactor.content(self._rest[:cut])
        self._rest = self._rest[cut:]

    def _cut(self, *, whole: bool) -> bytes:
        """What goes into a part: whole lines, unless there is no end of one."""
        end = len(self._masked) if whole else self._masked.rfind(b"\n") + 1 or len(self._masked)
        content = bytes(self._masked[:end])
        del self._masked[:end]
        return content


def _open(source: Source) -> int:
    """Raises OSError. Below a folder every step is taken without following a link."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe in its place has no end to wait for
    if source.below is None:
        return os.open(source.path, flags)
    flags |= os.O_NOFOLLOW
    *folders, name = source.path.relative_to(source.below).parts
    at = os.open(source.below, flags | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, flags | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = inner
        return os.open(name, flags, dir_fd=at)
    finally:
        os.close(at)
