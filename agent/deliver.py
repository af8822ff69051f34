"""Takes files to the store, masked, several at a time, as long as there is time. Decides no outcome."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.contract import StoredFile, encode
from agent.harvest import Item, Left
from agent.redact import Copied, Redactor, copy
from agent.store import Store

AT_ONCE = 8
IN_MEMORY = 8 << 20  # bytes; up to this a file needs no room on the disk, which a job may have filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """`folder` is ours alone: masked copies of large files lie there on their way."""

    store: Store
    redactor: Redactor
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def document(self, name: str, value: Any) -> None:
        """Store a JSON document. Raises StoreError.

        Its strings are masked, not its bytes: a value of digits must not break a number.
        """
        content = encode(self.redactor.value(value), indent=2) + b"\n"
        self.store.put(name, content, "application/json")

    def all(self, items: Iterable[Item], left: Left, seconds: float) -> tuple[StoredFile, ...]:
        """What could be stored within `seconds`, in order; the rest is noted, so that the result still comes.

        What is still on its way then is abandoned, not waited for.
        """
        pool = ThreadPoolExecutor(AT_ONCE)
        uploads = [(item, pool.submit(self._one, item)) for item in items]
        wait([upload for _, upload in uploads], timeout=max(0.0, seconds))
        pool.shutdown(wait=False, cancel_futures=True)
        if not all(upload.done() for _, upload in uploads):
            self.store.abandon()
        stored = []
        for item, upload in uploads:
            if not upload.done() or upload.cancelled():
                left.out(item.name, "no time was left to store them")
            elif error := upload.exception():
                left.out(item.name, f"they could not be stored ({str(error)[:200]})")
            else:
                stored.append(upload.result())
        return tuple(stored)

    def _one(self, item: Item) -> StoredFile:
        name = self._name(item.name)
        with self._masked(item) as (body, copied):
            self.store.put(name, body, item.content_type)
        return StoredFile(path=name, size=copied.size, sha256=copied.sha256, content_type=item.content_type)

    @contextmanager
    def _masked(self, item: Item) -> Iterator[tuple[Path | bytes, Copied]]:
        with item.open() as source:
            if os.fstat(source.fileno()).st_size <= IN_MEMORY:
                memory = io.BytesIO()
                copied = copy(self.redactor, source, memory)
                yield memory.getvalue(), copied
                return
            aside = self.folder / str(next(self._numbers))
            try:
                with aside.open("wb") as target:
                    copied = copy(self.redactor, source, target)
                yield aside, copied
            finally:
                aside.unlink(missing_ok=True)

    def _name(self, name: str) -> str:
        """A file's name is the agent's too: it may hold a value, and need not be UTF-8."""
        return self.redactor.text(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
