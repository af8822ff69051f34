"""A checkpoint in too little time: it is no checkpoint then, and the run ends with what it has."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from agent import checkpoint
from agent.checkpoint import CheckpointError, Upload
from agent.folder import Folder
from agent.layout import Layout
from agent.store import StoreError


class Cli:
    def session_files(self) -> Iterable[tuple[Path, str]]:
        return ()


CLI = cast(Any, Cli())


def _until(time_: float) -> float:
    return time_ - time.monotonic()


def test_packing_ends_when_the_time_is_over(tmp_path: Path) -> None:
    """With a store that is quick it is the packing that takes it: of a hundred thousand files, say."""
    kept = []

    class Quick(Folder):
        def keep(self, name: str, content: bytes) -> str:
            kept.append(name)
            return ""

    layout = Layout(tmp_path / "work")
    layout.prepare()
    (layout.workspace / "a").write_bytes(b"a" * 30_000_000)
    with pytest.raises(CheckpointError, match="no time"):
        checkpoint.save(layout, CLI, Upload(store=Quick(tmp_path), leg=2, left=lambda: 0.0))
    assert kept == []


def test_what_was_under_way_when_the_time_was_over_is_known(tmp_path: Path) -> None:
    """It arrives all the same, and is to be removed then: it is not masked."""
    time_is_over = threading.Event()

    class Slow(Folder):
        def keep(self, name: str, content: bytes) -> str:
            time_is_over.wait(60)
            return f"version of {name}"

    class Refusing(Folder):
        def keep(self, name: str, content: bytes) -> str:
            raise StoreError("no")

    layout = Layout(tmp_path / "work")
    layout.prepare()
    (layout.workspace / "a").write_bytes(b"a" * 30_000_000)
    for store, kept in (Slow(tmp_path), "version of checkpoint/2/000001.tar"), (Refusing(tmp_path), ""):
        upload = Upload(store=store, leg=2, left=partial(_until, time.monotonic() + 0.5))
        with pytest.raises(CheckpointError):
            checkpoint.save(layout, CLI, upload)
        time_is_over.set()
        assert upload.stored()["checkpoint/2/000001.tar"] == kept


def test_a_file_takes_time_however_small(tmp_path: Path) -> None:
    """A hundred thousand of them take ten seconds, which are to be kept for them."""
    layout = Layout(tmp_path / "work")
    layout.prepare()
    _, empty = checkpoint.weigh(layout)
    for number in range(100):
        (layout.workspace / f"{number}").touch()
    (layout.workspace / "0").write_bytes(b"a" * 5_000)
    least = 100 * checkpoint.ENTRY + 5_000
    assert least <= checkpoint.weigh(layout)[1] - empty < 1.1 * least  # a folder's own size may grow
    # Beyond the first ones nobody asks for sizes, and they count all the same.
    assert checkpoint.weigh(layout, measured=50)[1] >= 100 * checkpoint.ENTRY
