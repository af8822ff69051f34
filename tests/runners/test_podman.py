"""The same runner on podman, as root: what is ours (as Lambda has it: tests/conformance)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lambdactl.container import Engine
from tests.runners.conftest import Runner


@pytest.mark.parametrize("on", ["podman"], indirect=True)
def test_a_run_folder_and_a_kill(on: Engine, copies: Callable[[Engine], str], tmp_path: Path) -> None:
    runner = Runner(on, copies(on))
    (tmp_path / "in.json").write_text("{}")
    response = runner("output", then="hang", timeout=1, run_folder=tmp_path)
    assert b"Sandbox.Timedout" in response.payload
    assert (tmp_path / "out/result.json").read_text() == "{}"
    assert runner.left_behind() == []
