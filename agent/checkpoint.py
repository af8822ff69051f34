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

from agent import archive, tree
from agent.archive import ArchiveError, Packer
from agent.clis import Cli
from agent.contract import ContractError
from agent.layout import Layout
from agent.left import Left
from agent.leg import Part, Record
from agent.store import Store, StoreError

PART = 4 << 20  # bytes
ENTRY = 2 << 10  # bytes that each file adds: header, padding, and what could be sent while it is opened
AT_ONCE = 3  # each is in memory
LOOK = 1.0  # seconds between looks at the time that is left, which may be over at once
WEIGHED = 50_000  # files
CACHE = ".cache"  # of the home folder: large, and made again


class CheckpointError(Exception):
    """A checkpoint could not be written, or not be brought back."""


def save(
    layout: Layout, cli: Cli, store: Store, leg: int, left: Callable[[], float], stored: dict[str, str]
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Store all that leg `leg` needs; the parts, and notes of what is not in them.

    `left` are the seconds that it may still take: what is on its way then is abandoned, not waited for, and
    removed once it is there. `stored` gets what is to be forgotten at the end, also when this fails.
    """
    packer = Packer(layout.root, _folders(layout, cli))
    upload = _Upload(store=store, leg=leg, left=left, stored=stored)
    try:
        packer.pack(_paths(layout, cli, packer.left), upload)
        return upload.end(), packer.left.notes()
    except (ArchiveError, StoreError) as error:
        upload.abandoned = True
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


def stored(record: Record, store: Store) -> Mapping[str, str]:
    """All objects of a checkpoint, and what the store wants to forget each."""
    name = record_name(record.leg)
    return {**{part.name: part.kept for part in record.parts}, name: store.kept(name)}


def record_name(leg: int) -> str:
    return f"checkpoint/{leg}/record.json"


def weigh(layout: Layout) -> tuple[int, int]:
    """How many parts and bytes a checkpoint would have now, about: of very many files the first count."""
    paths = itertools.chain(archive.below(layout.workspace), archive.below(layout.home, without=(CACHE,)))
    size = 0
    for path in itertools.islice(paths, WEIGHED):
        with contextlib.suppress(OSError):  # of a tree that changes under our eyes
            size += path.lstat().st_size + ENTRY
    return -(-size // PART), size


def _folders(layout: Layout, cli: Cli) -> tuple[Path, ...]:
    return (layout.workspace, layout.home, *(folder for folder, _ in cli.session_files()))


def _paths(layout: Layout, cli: Cli, left: Left) -> Iterator[Path]:
    """The session first: small, and without it the rest is of no use."""
    for folder, pattern in cli.session_files():
        glob = tree.pattern(pattern)
        yield from (folder / path for path in tree.walk(folder, left.out) if tree.matches(glob, path))
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
class _Upload:
    """What is written, as parts on their way to the store: a few at a time, and as long as there is time."""

    store: Store
    leg: int
    left: Callable[[], float]
    stored: dict[str, str]
    abandoned: bool = False
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

    def _send(self, size: int) -> None:
        content = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._wait(AT_ONCE - 1)
        name = f"checkpoint/{self.leg}/{len(self._parts) + 1:06}.tar"
        self._parts.append(self.pool.submit(self._put, name, content))

    def _wait(self, most: int) -> None:
        """Until at most so many parts are under way: more would only fill the memory."""
        while len(under_way := [part for part in self._parts if not part.done()]) > most:
            wait(under_way, timeout=min(LOOK, max(0.0, self.left())), return_when=FIRST_COMPLETED)
            if self.left() <= 0:
                raise ArchiveError("there was no time to store the checkpoint")

    def _put(self, name: str, content: bytes) -> Part:
        sha256 = hashlib.sha256(content).hexdigest()
        self.stored[name] = ""  # it may be there though no answer says so
        kept = self.stored[name] = self.store.keep(name, content)
        if self.abandoned:  # whoever forgets what is stored may have done so already
            self.store.forget({name: kept})
        return Part(name=name, size=len(content), sha256=sha256, kept=kept)
