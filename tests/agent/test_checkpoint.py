"""A checkpoint in too little time: it is no checkpoint then, and the run ends with what it has."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from agent import archive, checkpoint
from agent.archive import Packer
from agent.checkpoint import CheckpointError
from agent.folder import Folder
from agent.layout import Layout
from agent.reserve import Pace, reserve


class Cli:
    def session_files(self) -> Iterable[tuple[Path, str]]:
        return ()


CLI = cast(Any, Cli())


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
        checkpoint.save(layout, CLI, Quick(tmp_path), 2, lambda: 0.0, {})
    assert kept == []


def test_a_part_that_arrives_when_it_is_too_late_is_removed(tmp_path: Path) -> None:
    """It is not masked; and what was stored by then is known to whoever removes it."""
    go_on, on_its_way, forgotten = threading.Event(), threading.Event(), threading.Event()

    class Slow(Folder):
        def keep(self, name: str, content: bytes) -> str:
            if name.endswith("2.tar"):
                on_its_way.set()
                go_on.wait(60)
            return super().keep(name, content)

        def forget(self, stored: Mapping[str, str]) -> None:
            super().forget(stored)
            forgotten.set()

    layout, stored, store = Layout(tmp_path / "work"), dict[str, str](), Slow(tmp_path)
    layout.prepare()
    (layout.workspace / "a").write_bytes(b"a" * 30_000_000)
    with pytest.raises(CheckpointError, match="no time"):
        checkpoint.save(layout, CLI, store, 2, lambda: 0.0 if on_its_way.is_set() else 1.0, stored)
    store.forget(dict(stored))
    forgotten.clear()
    go_on.set()
    assert forgotten.wait(60)
    assert not store.exists("checkpoint/2/000002.tar")
    assert "checkpoint/2/000001.tar" in stored


def test_many_small_files_weigh_what_packing_them_takes(tmp_path: Path) -> None:
    """Else no time would be kept for them, and a run of many files would end where it could go on."""
    layout = Layout(tmp_path / "work")
    layout.prepare()
    for number in range(2000):
        (layout.workspace / f"{number}").write_bytes(b"1")
    sizes: list[int] = []

    class Counted:
        def write(self, content: bytes) -> None:
            sizes.append(len(content))

    Packer(layout.root, (layout.workspace,)).pack(archive.below(layout.workspace), Counted())
    parts, size = checkpoint.weigh(layout)
    assert size >= sum(sizes)
    assert parts >= -(-sum(sizes) // checkpoint.PART)
    assert (
        reserve(Pace(), size, parts) - reserve(Pace(), 0) >= 2000 * 100e-6
    )  # 50 µs each with a whole processor


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """Wiped by us: pytest cannot remove what is very deep."""
    layout = Layout(tmp_path / "work")
    layout.prepare()
    yield layout
    layout.wipe()


def test_neither_deep_folders_nor_long_chains_of_links_cost_a_checkpoint(
    layout: Layout, tmp_path: Path
) -> None:
    """What an error here would cost is the whole result."""
    many = 2 * sys.getrecursionlimit()
    (layout.config / "session.jsonl").write_text("{}\n")
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(layout.config)
        for _ in range(many):
            os.mkdir("deep")
            os.chdir("deep")
    finally:
        os.chdir(here)
        os.close(here)
    for number in range(many):
        (layout.workspace / f"{number}").symlink_to(f"{number + 1}")

    class Session(Cli):
        def session_files(self) -> Iterable[tuple[Path, str]]:
            return ((layout.config, "**/*.jsonl"),)

    store = Folder(tmp_path)
    parts, notes = checkpoint.save(layout, cast(Any, Session()), store, 2, lambda: 60.0, {})
    assert any("lead too deep" in note for note in notes)
    content = [store.get(part.name) or b"" for part in parts]
    layout.prepare()
    archive.unpack(content, layout.root, (layout.workspace, layout.home, layout.config))
    assert (layout.config / "session.jsonl").read_text() == "{}\n"
