"""Workflows take lambdactl from where nobody else can put his code, and from nowhere by default."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from lambdactl.cli import run
from lambdactl.errors import UsageError
from lambdactl.setup import init
from lambdactl.setup.source import install
from tests.setup.sources import COMMIT

WHEEL = "vendor/lambdactl-0.1.0-py3-none-any.whl"
NAMES = ("plan", "apply", "drift")


def steps(root: Path, name: str) -> str:
    """What the workflow's install steps run: all of them the same."""
    document = yaml.safe_load((root / f".github/workflows/lambdactl-{name}.yml").read_text())
    (found,) = {
        step["run"]
        for job in document["jobs"].values()
        for step in job["steps"]
        if step.get("name") == "Install lambdactl"
    }
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_was_said_is_what_is_installed(tmp_path: Path, name: str) -> None:
    init(tmp_path, project="demo", install_from=COMMIT)
    assert steps(tmp_path, name) == f"uv tool install {COMMIT}"


def test_a_wheel_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / WHEEL).write_bytes(b"")
    assert install(WHEEL, tmp_path) == install(f"./{WHEEL}", tmp_path) == f"uv tool install ./{WHEEL}"


@pytest.mark.parametrize("name", NAMES)
def test_without_a_word_the_step_fails_and_says_why(tmp_path: Path, name: str) -> None:
    init(tmp_path, project="demo")
    text = steps(tmp_path, name)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=lambdactl::")
    assert "uv tool install git+https://" in done.stdout


@pytest.mark.parametrize(
    "source",
    [
        "lambdactl",
        "lambdactl==0.1.0",
        "git+https://github.com/acme/lambdactl",
        "git+https://github.com/acme/lambdactl@main",
        "git+https://github.com/acme/lambdactl@v0.1.0",
        "git+http://github.com/acme/lambdactl@" + "0" * 40,
        COMMIT + "; curl x",
        COMMIT + "\n",
        "git+https://user:word@github.com/acme/lambdactl@" + "0" * 40,
        "https://example.com/lambdactl-0.1.0-py3-none-any.whl",
        "../lambdactl-0.1.0-py3-none-any.whl",
        "/tmp/lambdactl-0.1.0-py3-none-any.whl",
        "vendor/$(id).whl",
        "vendor/missing.whl",
    ],
)
def test_what_somebody_else_could_change_is_refused_and_nothing_is_written(
    tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError):
        install(source, tmp_path)
    assert run(["init", "--root", str(tmp_path), "--project", "demo", "--install-from", source]) == 64
    assert "40" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
