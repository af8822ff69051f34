"""Benches: an image's home on disk, with the real CLIs where a test asks for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.sandbox.model import ScriptedModel
from tests.agent.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(root=tmp_path)
    made.prepare()
    return made


@pytest.fixture
def clis(
    bench: Bench, scripted_model: ScriptedModel, claude_cli: Path, codex_cli: Path, everything_server: Path
) -> Bench:
    """A bench with both agent CLIs, an MCP server, and a scripted model that wants its key."""
    for program in (claude_cli, codex_cli, everything_server):
        bench.program(program)
    return replace(bench, env={"LAMBDACTL_MODEL_URL": scripted_model.url})
