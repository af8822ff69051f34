"""Who applies, and which commit: asked of a real git and of a workflow's variables."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lambdactl.author import author, short

RUN = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "octo/jobs",
    "GITHUB_RUN_ID": "7",
    "GITHUB_ACTOR": "ann",
    "GITHUB_SHA": "c" * 40,
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.yaml").write_text("a")
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(tmp_path, *command)
    return tmp_path / "project"


def git(folder: Path, *argv: str) -> str:
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *argv], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_commit_is_clean_only_when_the_folder_holds_nothing_else(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    (repository / "ignored.tmp").write_text("x")
    (repository.parent / "elsewhere.yaml").write_text("x")
    assert author(repository, {}).commit == head
    (repository / "new.yaml").write_text("not in git yet, but applied")
    assert author(repository, {}).commit == f"{head}-dirty"
    (repository / "new.yaml").unlink()
    (repository / "a.yaml").write_text("b")
    assert author(repository, {}).commit == f"{head}-dirty"


@pytest.mark.parametrize("empty", [True, False])
def test_without_a_commit_there_is_none(tmp_path: Path, empty: bool) -> None:
    if empty:
        git(tmp_path, "init", "-q")
        (tmp_path / "a.yaml").write_text("a")
    assert author(tmp_path, {}).commit == ""


def test_a_person_is_a_user_at_a_host(tmp_path: Path) -> None:
    user, at, host = author(tmp_path, {}).who.partition("@")
    assert user
    assert (at, bool(host)) == ("@", True)


def test_a_workflow_is_its_actor_and_its_run(repository: Path) -> None:
    found = author(repository, RUN)
    assert found.who == "ann https://github.com/octo/jobs/actions/runs/7"
    assert found.commit == "c" * 40
    assert "@" in author(repository, {**RUN, "GITHUB_RUN_ID": ""}).who


@pytest.mark.parametrize(
    ("commit", "shown"), [("a" * 40, "a" * 12), ("a" * 40 + "-dirty", "a" * 12 + "-dirty"), ("", "")]
)
def test_a_commit_is_shown_short(commit: str, shown: str) -> None:
    assert short(commit) == shown
