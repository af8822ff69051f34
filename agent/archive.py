"""A run's folders as one tar stream, and back. Knows no store and no agent type.

What comes back may be anybody's: only plain files, folders and links that stay inside come out of it,
below the folders that may be there, and only so much. (tarfile's own filters are not in every Python 3.10.)
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

from agent.left import Left

CHUNK = 256 << 10  # bytes


class ArchiveError(Exception):
    """It cannot be written, or what was found is not one of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    bytes: int = 1 << 30
    entries: int = 200_000


class Sink(Protocol):
    def write(self, content: bytes) -> object: ...


# -- out -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Packer:
    """Writes folders `tops`, which lie below `root`."""

    root: Path
    tops: tuple[Path, ...]
    bounds: Bounds = field(default_factory=Bounds)
    left: Left = field(default_factory=lambda: Left(what="not in the checkpoint"))
    _bytes: int = 0
    _entries: int = 0

    def pack(self, paths: Iterable[Path], sink: Sink) -> None:
        """ArchiveError when it is too much; whatever `sink` raises passes."""
        with tarfile.open(
            fileobj=cast(IO[bytes], sink), mode="w|", format=tarfile.GNU_FORMAT, errors="surrogateescape"
        ) as archive:
            for path in paths:
                self._one(archive, path)

    def _one(self, archive: tarfile.TarFile, path: Path) -> None:
        name = path.relative_to(self.root).as_posix()
        try:
            found = path.lstat()
            info = tarfile.TarInfo(name)
            info.mtime, info.mode = int(found.st_mtime), found.st_mode & 0o777
            if stat.S_ISREG(found.st_mode):
                self._file(archive, path, info)
            elif stat.S_ISDIR(found.st_mode):
                info.type = tarfile.DIRTYPE
                self._add(archive, info)
            elif not stat.S_ISLNK(found.st_mode):
                self.left.out(name, "neither file nor folder")
            elif not any(_inside(path, top) for top in self.tops):
                self.left.out(name, "links that lead out")
            else:
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
                self._add(archive, info)
        except OSError as error:
            self.left.out(name, error.strerror or "it cannot be read")

    def _file(self, archive: tarfile.TarFile, path: Path, info: tarfile.TarInfo) -> None:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            self._add(archive, info, file)

    def _add(self, archive: tarfile.TarFile, info: tarfile.TarInfo, file: IO[bytes] | None = None) -> None:
        self._count(info.size)
        try:
            archive.addfile(info, file)
        except OSError as error:  # with half of it written there is no archive any more
            raise ArchiveError(f"{info.name} cannot be read: {error}") from None

    def _count(self, size: int) -> None:
        self._bytes, self._entries = self._bytes + size, self._entries + 1
        if self._bytes > self.bounds.bytes or self._entries > self.bounds.entries:
            raise ArchiveError(
                f"the workspace is too large: a checkpoint holds {self.bounds.bytes >> 20:,} MB and "
                f"{self.bounds.entries:,} files at most"
            )


def below(folder: Path, without: Iterable[str] = ()) -> Iterator[Path]:
    """The folder and all below it, links as they are; without the named entries of the folder itself."""
    skipped = {str(folder / name) for name in without}
    folders = [str(folder)]
    while folders:  # by hand: a job may dig deeper than Python recurses
        current = folders.pop()
        yield Path(current)
        try:
            with os.scandir(current) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.path in skipped:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield Path(entry.path)


# -- back ----------------------------------------------------------------------------------------


def unpack(content: Iterable[bytes], root: Path, allowed: Iterable[Path], bounds: Bounds = Bounds()) -> None:
    """Write it below `root`, into the `allowed` folders, which hold nothing yet. Raises ArchiveError.

    Links are made last, so that nothing is ever written through one.
    """
    tops = tuple(PurePosixPath(folder.relative_to(root).as_posix()) for folder in allowed)
    links: list[tuple[Path, str]] = []
    left = [bounds.bytes, bounds.entries]
    stream = cast(IO[bytes], _Forward(iter(content)))
    try:
        with tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
                left = [left[0] - member.size, left[1] - 1]
                if min(left) < 0 or member.size < 0:
                    raise ArchiveError("the checkpoint holds more than a checkpoint may")
                target = root / _name(member, tops)
                if member.issym():
                    links.append((target, member.linkname))
                else:
                    _write(archive, member, target)
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        raise ArchiveError(f"the checkpoint cannot be restored: {error}") from None
    _link(links, root, tops)


def _name(member: tarfile.TarInfo, tops: tuple[PurePosixPath, ...]) -> PurePosixPath:
    name = PurePosixPath(member.name)
    known = any(name.parts[: len(top.parts)] == top.parts for top in tops)
    if name.is_absolute() or ".." in name.parts or not known:
        raise ArchiveError(f"the checkpoint holds {member.name!r}, which is no place of a run's")
    if member.issparse() or not (member.isreg() or member.isdir() or member.issym()):
        raise ArchiveError(f"the checkpoint holds {member.name!r}, which is neither file, folder nor link")
    return name


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if member.isdir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = 0o700 if member.mode & 0o100 else 0o600
    source = archive.extractfile(member)
    assert source
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with source, open(os.open(target, flags, mode), "wb") as file:
        while chunk := source.read(CHUNK):
            file.write(chunk)
        if file.tell() != member.size:
            raise ArchiveError(f"the checkpoint ends within {member.name!r}")
    os.utime(target, (member.mtime, member.mtime))


def _link(links: Iterable[tuple[Path, str]], root: Path, tops: tuple[PurePosixPath, ...]) -> None:
    links = list(links)
    try:
        for path, to in links:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.symlink(to, path)
    except (OSError, ValueError) as error:
        raise ArchiveError(f"the checkpoint cannot be restored: {error}") from None
    for path, to in links:  # all of them first: one may lead through another
        if not any(_inside(path, root / top) for top in tops):
            raise ArchiveError(f"the checkpoint holds {path.name!r}, a link that leads out, to {to!r}")


def _inside(link: Path, root: Path) -> bool:
    try:
        os.stat(link)
    except OSError as error:
        if error.errno == errno.ELOOP:  # Python would follow a chain of any length, and not to its end
            return False
    return Path(os.path.realpath(link)).is_relative_to(os.path.realpath(root))


class _Forward:
    """Chunks as a file that is read once, from beginning to end, a little at a time.

    tarfile reads a header of any length whole: here it cannot.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._chunk, self._at = chunks, b"", 0

    def tell(self) -> int:
        return self._at

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position < self._at:
            raise ArchiveError("the checkpoint is no archive of ours")
        while self._at < position and self._take(min(CHUNK, position - self._at)):
            pass
        return self._at

    def read(self, size: int) -> bytes:
        if not 0 <= size <= 4 * CHUNK:
            raise ArchiveError("the checkpoint has a header that is too large")
        parts = []
        while size and (part := self._take(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _take(self, size: int) -> bytes:
        while not self._chunk:
            if (chunk := next(self._chunks, None)) is None:
                return b""
            self._chunk = chunk
        part, self._chunk = self._chunk[:size], self._chunk[size:]
        self._at += len(part)
        return part
