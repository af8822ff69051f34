"""Keeps a stopped run's session, workspace and home in the store, and brings them back.

The one thing that is stored unmasked: a masked transcript would resume as another conversation. It lies
under checkpoint/, in parts of one archive, with a record of their hashes beside them; nothing shows it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from agent import archive
from agent.archive import ArchiveError, Bounds, Packer
from agent.clis import Cli
from agent.contract import ContractError
from agent.layout import Layout
from agent.leg import Part, Record
from agent.store import Store, StoreError

PART = 4 << 20  # bytes
AT_ONCE = 3  # each is in memory
LOOK = 1.0  # seconds between looks at the time that is left, which may be over at once
WEIGHED = 50_000  # files whose size is asked for
ENTRY = 4 << 10  # bytes that each counts besides: its header, and the time to pack it (60 microseconds)
CACHE = ".cache"  # of the home folder: large, and made again


class CheckpointError(Exception):
    """A checkpoint could not be written, or not be brought back."""


def save(layout: Layout, cli: Cli, upload: Upload) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Store all that the leg of `upload` needs; the parts, and notes of what is not in them.

    What is on its way when there is no time left is not waited for. Whatever is raised: `upload` knows what
    there is to remove.
    """
    packer = Packer(layout.root, _folders(layout, cli))
    try:
        packer.pack(_paths(layout, cli), upload)
        return upload.end(), packer.left.notes()
    except (ArchiveError, StoreError) as error:
        raise CheckpointError(str(error)) from None
    finally:
        upload.pool.shutdown(wait=False, cancel_futures=True)


def read(store: Store, leg: int, sha256: str) -> Record | None:
    """The record that leg `leg` of the opened run goes on from, if it is the one with that hash."""
    content = store.get(record_name(leg))
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        return None
    try:
        return Record.parse(json.loads(content))
    except (ValueError, ContractError) as error:
        raise CheckpointError(f"the checkpoint cannot be read: {error}") from None


def restore(record: Record, store: Store, layout: Layout, cli: Cli) -> None:
    try:
        archive.unpack(_content(record, store), layout.root, _folders(layout, cli))
    except (ArchiveError, StoreError) as error:
        raise CheckpointError(str(error)) from None


def names(leg: int, parts: tuple[Part, ...]) -> Mapping[str, str]:
    """All objects of a checkpoint, and what the store wants to forget each."""
    return {**{part.name: part.kept for part in parts}, record_name(leg): ""}


def record_name(leg: int) -> str:
    return f"checkpoint/{leg}/record.json"


def weigh(layout: Layout, measured: int = WEIGHED) -> tuple[int, int]:
    """How many parts and bytes a checkpoint would have now, about: of very many files the first are measured,
    and all are counted."""
    found = itertools.chain(archive.below(layout.workspace), archive.below(layout.home, without=(CACHE,)))
    paths = itertools.islice(found, Bounds().entries)
    size = 0
    for path in itertools.islice(paths, measured):
        with contextlib.suppress(OSError):  # of a tree that changes under our eyes
            size += ENTRY + path.lstat().st_size
    size += ENTRY * sum(1 for _ in paths)
    return -(-size // PART), size


def _folders(layout: Layout, cli: Cli) -> tuple[Path, ...]:
    return (layout.workspace, layout.home, *(folder for folder, _ in cli.session_files()))


def _paths(layout: Layout, cli: Cli) -> Iterator[Path]:
    """The session first: small, and without it the rest is of no use."""
    for folder, pattern in cli.session_files():
        yield from (path for path in sorted(folder.glob(pattern)) if path.is_file() and not path.is_symlink())
    yield from archive.below(layout.workspace)
    yield from archive.below(layout.home, without=(CACHE,))


def _content(record: Record, store: Store) -> Iterator[bytes]:
    for part in record.parts:
        content = store.get(part.name)
        if content is None:
            raise ArchiveError(f"the checkpoint lacks {part.name}")
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise ArchiveError(f"the checkpoint's {part.name} is not what was stored")
        yield content


@dataclass(slots=True, kw_only=True)
class Upload:
    """What leg `leg` goes on from, as parts on their way to the store: a few at a time, and as long as there
    are seconds `left`."""

    store: Store
    leg: int
    left: Callable[[], float]
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE))
    _buffer: bytearray = field(default_factory=bytearray)
    _parts: list[Future[Part]] = field(default_factory=list)

    def write(self, content: bytes) -> None:
        self._buffer += content
        if self.left() <= 0:
            raise ArchiveError("there was no time to make the checkpoint")
        while len(self._buffer) >= PART:
            self._send(PART)

    def end(self) -> tuple[Part, ...]:
        if self._buffer:
            self._send(len(self._buffer))
        self._wait(0)
        return tuple(part.result() for part in self._parts)

    def stored(self) -> Mapping[str, str]:
        """What the store has of it, as for its `forget`. Waits for what is on its way: it may yet arrive."""
        wait(part for part in self._parts if not part.done())
        kept = (part.result().kept if _arrived(part) else "" for part in self._parts)
        return {self._name(number): each for number, each in enumerate(kept, 1)}

    def _name(self, number: int) -> str:
        return f"checkpoint/{self.leg}/{number:06}.tar"

    def _send(self, size: int) -> None:
        content = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._wait(AT_ONCE - 1)
        self._parts.append(self.pool.submit(self._put, self._name(len(self._parts) + 1), content))

    def _wait(self, most: int) -> None:
        """Until at most so many parts are under way: more would only fill the memory."""
        while len(under_way := [part for part in self._parts if not part.done()]) > most:
            wait(under_way, timeout=min(LOOK, max(0.0, self.left())), return_when=FIRST_COMPLETED)
            if self.left() <= 0:
                raise ArchiveError("there was no time to store the checkpoint")

    def _put(self, name: str, content: bytes) -> Part:
        sha256 = hashlib.sha256(content).hexdigest()
        return Part(name=name, size=len(content), sha256=sha256, kept=self.store.keep(name, content))


def _arrived(part: Future[Part]) -> bool:
    return not part.cancelled() and part.exception() is None
