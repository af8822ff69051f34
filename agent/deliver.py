"""Takes files to the store, masked, several at a time, as long as there is time. Decides no outcome."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from agent.contract import encode
from agent.harvest import Item
from agent.left import Left
from agent.redact import Masked, Redactor
from agent.reserve import AT_ONCE
from agent.result import StoredFile
from agent.store import Store

IN_MEMORY = 1 << 20  # bytes; a larger file is masked while it is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    store: Store
    redactor: Redactor

    def document(self, name: str, value: Any) -> None:
        """Store a JSON document as it is. Raises StoreError.

        Whoever made it masked what is from outside: no word of our own is a secret, whatever a secret says.
        """
        self.store.put(name, encode(value, indent=2) + b"\n", "application/json")

    def all(self, items: Iterable[Item], left: Left, seconds: Callable[[], float]) -> tuple[StoredFile, ...]:
        """What could be stored in time, in order; the rest is noted, so that the result still comes.

        `seconds` are those that are left, asked for when all are on their way: making them takes time, too.
        What is still on its way when they are over is abandoned, not waited for.
        """
        pool = ThreadPoolExecutor(AT_ONCE)
        names = Counter[str]()
        uploads = [(item, pool.submit(self._one, item, self._name(item, names))) for item in items]
        wait([upload for _, upload in uploads], timeout=max(0.0, seconds()))
        pool.shutdown(wait=False, cancel_futures=True)
        if not all(upload.done() for _, upload in uploads):
            self.store.abandon()
        stored = []
        for item, upload in uploads:
            if not upload.done() or upload.cancelled():
                left.out(item.name, "no time was left to store them")
            elif error := upload.exception():
                why = self.redactor.brief(str(error), 200)
                left.out(item.name, f"they could not be stored ({why})")
            else:
                stored.append(upload.result())
        return tuple(stored)

    def _one(self, item: Item, name: str) -> StoredFile:
        with item.open() as source:
            masked = Masked(self.redactor, source)
            small = os.fstat(source.fileno()).st_size <= IN_MEMORY
            self.store.put(name, masked.read() if small else masked, item.content_type)
        return StoredFile(path=name, size=masked.size, sha256=masked.sha256, content_type=item.content_type)

    def _name(self, item: Item, taken: Counter[str]) -> str:
        """Two that become one are told apart: the later would take the place of the earlier."""
        path = PurePosixPath(item.prefix + self.redactor.name(item.name.removeprefix(item.prefix)))
        free = path
        while taken[str(free)]:
            taken[str(path)] += 1
            free = path.with_name(f"{path.stem}~{taken[str(path)]}{path.suffix}")
        taken[str(free)] = 1
        return str(free)
