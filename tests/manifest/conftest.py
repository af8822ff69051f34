"""A project on disk that a test fills with manifests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = "agent: { type: command, command: [x] }\n"
Write = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes lambdactl.yaml and jobs (name -> text); returns the root, which is the current folder."""

    def write(settings: str = "project: demo\n", **jobs: str) -> Path:
        root = tmp_path / "project"
        (root / "jobs").mkdir(parents=True, exist_ok=True)
        (root / "lambdactl.yaml").write_text(settings)
        for name, text in jobs.items():
            (root / "jobs" / f"{name}.yaml").write_text(text)
        monkeypatch.chdir(root)
        return root

    return write
