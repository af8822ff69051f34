"""Takes files to the store, masked, several at a time, as long as there is time. Decides no outcome."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.contract import StoredFile
from agent.harvest import Item, Left
from agent.redact import Redactor, copy
from agent.store import Store, StoreError

AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """`folder` is ours alone: the masked copies lie there on their way."""

    store: Store
    redactor: Redactor
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def one(self, item: Item) -> StoredFile:
        """Raises StoreError."""
        name = self._name(item.name)
        with self._masked(item) as (file, size, sha256):
            self.store.put(name, file, item.content_type)
        return StoredFile(path=name, size=size, sha256=sha256, content_type=item.content_type)

    def all(self, items: Iterable[Item], left: Left, in_time: Callable[[], bool]) -> tuple[StoredFile, ...]:
        """What could be stored, in order; the rest is left out and noted, so that the result still comes."""

        def one(item: Item) -> StoredFile | None:
            if not in_time():
                left.out(item.name, "no time was left to store them")
                return None
            try:
                return self.one(item)
            except (StoreError, OSError) as error:
                left.out(item.name, f"they could not be stored ({str(error)[:200]})")
                return None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(stored for stored in pool.map(one, items) if stored is not None)

    def text(self, name: str, text: str) -> StoredFile:
        """Store a document of ours."""
        file = self.folder / f"{next(self._numbers)}.document"
        file.write_text(text, encoding="utf-8")
        try:
            return self.one(Item(name=name, file=file))
        finally:
            file.unlink()

    @contextmanager
    def _masked(self, item: Item) -> Iterator[tuple[Path, int, str]]:
        aside = self.folder / str(next(self._numbers))
        try:
            with item.file.open("rb") as source, aside.open("wb") as target:
                copied = copy(self.redactor, source, target)
            yield aside, copied.size, copied.sha256
        finally:
            aside.unlink(missing_ok=True)

    def _name(self, name: str) -> str:
        """A file's name is the agent's too: it may hold a value, and need not be UTF-8."""
        return self.redactor.text(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
