"""Bad manifests and what is said about them: bad/NAME.yaml beside its golden bad/NAME.txt.

After a change of wording: LAMBDACTL_GOLDEN=write python -m pytest tests/manifest, and read the diff.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lambdactl.manifest import load
from lambdactl.report.problems import text

_BAD = Path(__file__).parent / "bad"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that allows few parameters, with a link that leads out of it."""
    root = tmp_path / "project"
    (root / "jobs").mkdir(parents=True)
    (root / "lambdactl.yaml").write_text(
        "project: demo\nallow: { parameters: ['/agents/*', '/aws/*', 'a*'] }\n"
    )
    (root / "prompt.md").write_text("Say hello.\n")
    (root / "schema.json").write_text('{"type": "object", "properties": {"a": {"allOf": []}}}')
    (root / "list.json").write_text("[]")
    (root / ".env").write_text("TOKEN=x\n")
    (root / "leak").symlink_to("/etc/hostname")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("case", sorted(path.stem for path in _BAD.glob("*.yaml")))
def test_bad_manifest(case: str, root: Path) -> None:
    shutil.copy(_BAD / f"{case}.yaml", root / "jobs")
    loaded = load(root)
    assert loaded.problems
    assert loaded.jobs == ()
    golden = _BAD / f"{case}.txt"
    said = text(loaded.problems) + "\n"
    if os.environ.get("LAMBDACTL_GOLDEN") == "write":
        golden.write_text(said)
    assert said == golden.read_text()
    assert "ghp_" not in said
