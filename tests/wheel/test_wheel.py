"""The wheel, installed alone in somebody else's repository: only lambdactl.yaml and jobs/ are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uv

from tests.report.pages import RUN_ID

REPOSITORY = Path(__file__).parents[2]
UV = uv.find_uv_bin()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the wheel and its dependencies, and no source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "-q", "--wheel", "-o", folder, REPOSITORY], check=True)
    subprocess.run([UV, "venv", "-q", folder / "venv"], check=True)
    wheel = next(folder.glob("*.whl"))
    python = folder / "venv" / "bin" / "python"
    subprocess.run([UV, "pip", "install", "-q", "--python", python, wheel], check=True)
    return folder / "venv" / "bin"


def lambdactl(installed: Path, root: Path, *argv: str) -> str:
    env = {
        "PATH": f"{installed}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(root),
        "LAMBDACTL_BASE_IMAGE": "none.invalid/base@sha256:" + "0" * 64,
    }
    done = subprocess.run(
        [installed / "lambdactl", *argv], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_works_in_a_foreign_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "lambdactl.yaml").write_text("project: elsewhere\nregion: eu-west-1\n")
    manifest = "agent: {type: command, command: ['true']}\nprefix: hello/\n"
    (tmp_path / "jobs" / "hello.yaml").write_text(manifest)
    shutil.copy(REPOSITORY / "lambdactl.lock", tmp_path)
    assert "1 job is valid" in lambdactl(installed, tmp_path, "validate")
    plan = lambdactl(installed, tmp_path, "plan", "--offline")
    assert "+ function.hello" in plan
    assert "+ bucket.elsewhere-main-000000000000-eu-west-1" in plan


def test_a_run_is_a_page_there_too(installed: Path, tmp_path: Path) -> None:
    """The page's template and style travel in the wheel."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "lambdactl.yaml").write_text("project: elsewhere\nregion: eu-west-1\n")
    sample = REPOSITORY / "tests" / "report" / "samples" / "codex" / "run"
    shutil.copytree(sample, tmp_path / ".lambdactl" / "runs" / RUN_ID)
    lambdactl(installed, tmp_path, "show", RUN_ID, "--html", ".")
    assert "Timeline" in (tmp_path / f"{RUN_ID}.html").read_text(encoding="utf-8")


def test_init_makes_a_project_that_is_valid(installed: Path, tmp_path: Path) -> None:
    lambdactl(installed, tmp_path, "init", "--project", "fresh")
    assert "1 job is valid" in lambdactl(installed, tmp_path, "validate")
    for name in ("job", "project"):
        ours = (REPOSITORY / "schemas" / f"{name}.schema.json").read_text()
        assert (tmp_path / "schemas" / f"{name}.schema.json").read_text() == ours
        assert lambdactl(installed, tmp_path, "schema", name) == ours


def test_the_same_fingerprints_as_from_the_source_tree(installed: Path, tmp_path: Path) -> None:
    """The agent's source travels as data: what is built from the wheel is what is built from git."""
    shutil.copytree(REPOSITORY / "jobs", tmp_path / "jobs")
    for name in ("lambdactl.yaml", "lambdactl.lock"):
        shutil.copy(REPOSITORY / name, tmp_path)
    from_wheel = lambdactl(installed, tmp_path, "plan", "--offline", "--aws", "--format", "json")
    from_tree = lambdactl(
        Path(sys.executable).parent, tmp_path, "plan", "--offline", "--aws", "--format", "json"
    )
    assert from_wheel == from_tree
