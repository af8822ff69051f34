"""A checkpoint in too little time: it is no checkpoint then, and the run ends with what it has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from agent import checkpoint
from agent.checkpoint import CheckpointError
from agent.folder import Folder
from agent.layout import Layout


class Cli:
    def session_files(self) -> Iterable[tuple[Path, str]]:
        return ()


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
        checkpoint.save(layout, cast(Any, Cli()), Quick(tmp_path), 2, lambda: 0.0)
    assert kept == []
