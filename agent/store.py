"""Where a run's definition comes from and its folder goes: on disk (agent.folder) or in S3 (agent.bucket).

A store that fails for good raises StoreError: then the invocation fails, and Lambda tries again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

CLAIM = "request.json"  # the first object of a run: who writes it does the run's work


class StoreError(Exception):
    """What had to be read or written could not be, after all retries."""


class Reader(Protocol):
    """What can be read once, from the beginning to its end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Store(Protocol):
    """One run's folder. `prefix` is the job's in the bucket, and ends with "/".

    `keeps`: what was put there stays as it is through `reclaim`.
    """

    keeps: bool

    def definition(self, name: str) -> bytes: ...

    def open(self, prefix: str, run_id: str) -> None:
        """Name the run's folder; before this only the definition can be read."""

    def claim(self, name: str, body: bytes) -> bool:
        """Store a JSON document where there is none yet; False when there is one, of several attempts for
        all but one."""

    def reclaim(self) -> None:
        """Take away what the job itself put into the run's folder, if it can: only we are to write there."""

    def put(self, name: str, body: Path | bytes | Reader, content_type: str) -> None:
        """Store a file, bytes, or what can be read, under `name` in the run's folder, whole or not at all."""

    def abandon(self) -> None:
        """Give up files that are on their way, without waiting, and any to come; bytes can still be put."""

    def get(self, name: str) -> bytes | None:
        """What the run's folder has under `name`."""

    def keep(self, name: str, content: bytes) -> str:
        """As `put`; what `forget` wants to take it away wholly, also from a bucket with versions."""

    def kept(self, name: str) -> str:
        """What `keep` answered for `name`, of another attempt's too; "" when it cannot be told."""

    def forget(self, stored: Mapping[str, str]) -> None:
        """Take away what `keep` stored: names, and what it answered."""

    def exists(self, name: str) -> bool:
        """Whether the run's folder has anything under `name`; asks once, and False when it cannot tell."""

    def address(self, name: str) -> str:
        """The S3 key, or the path, of `name`."""
