"""What is taken of a workspace that an agent made, and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.harvest import Bounds, Item, Left, below, bounded, file_name
from agent.layout import Layout


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("not of the workspace")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.txt").write_text("x")
    folder = tmp_path / "workspace"
    (folder / "out" / "deep").mkdir(parents=True)
    for name in ("a.md", "out/b.md", "out/deep/c.md", "out/deep/d.txt"):
        (folder / name).write_text(name)
    return folder


def taken(workspace: Path, *patterns: str) -> tuple[list[str], tuple[str, ...]]:
    left = Left()
    return [item.name for item in below(workspace, "artifacts/", patterns, left=left)], left.notes()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.md", ["a.md"]),
        ("**/*.md", ["a.md", "out/b.md", "out/deep/c.md"]),
        ("out", ["out/b.md", "out/deep/c.md", "out/deep/d.txt"]),
        ("out/", ["out/b.md", "out/deep/c.md", "out/deep/d.txt"]),
        ("out/**/*.txt", ["out/deep/d.txt"]),
    ],
)
def test_globs(workspace: Path, pattern: str, names: list[str]) -> None:
    assert taken(workspace, pattern) == ([f"artifacts/{name}" for name in names], ())


def test_a_file_two_patterns_match_is_taken_once(workspace: Path) -> None:
    assert taken(workspace, "*.md", "a.*") == (["artifacts/a.md"], ())


def test_nothing_from_outside(workspace: Path) -> None:
    (workspace / "file-out.txt").symlink_to(workspace.parent / "secret.txt")
    (workspace / "folder-out").symlink_to(workspace.parent / "outside")
    (workspace / "chain.txt").symlink_to("folder-out/x.txt")
    (workspace / "dangling.txt").symlink_to("nothing")
    (workspace / "loop.txt").symlink_to("loop.txt")
    (workspace / "inside.txt").symlink_to("a.md")
    os.mkfifo(workspace / "pipe.txt")
    names, notes = taken(workspace, "*.txt", "folder-out/*", "../*.txt", "/etc/passwd", "folder-out")
    assert names == ["artifacts/inside.txt"]
    said = "; ".join(notes)
    for part in (
        "links that lead out of the workspace: chain.txt, file-out.txt, folder-out",
        "links that lead nowhere: dangling.txt, loop.txt",
        "no regular file: pipe.txt",
        "patterns that lead out of the workspace: ../*.txt, /etc/passwd",
    ):
        assert part in said


def test_bounds(workspace: Path) -> None:
    items = [Item(name=str(size), file=workspace / str(size)) for size in (10, 200, 50, 45, 1, 2)]
    for item in items:
        item.file.write_bytes(b"x" * int(item.name))
    left = Left()
    kept = list(bounded(items, Bounds(file=100, total=70, count=2), left))
    assert [item.name for item in kept] == ["10", "50"]
    assert left.notes() == (
        "left out, files over 100 bytes: 200",
        "left out, files beyond 70 bytes in all: 45",
        "left out, files beyond 2 in number: 1, 2",
    )


def test_names_and_types() -> None:
    assert file_name("../we ird/√") == "-we-ird-"
    assert Item(name="a.md", file=Path()).content_type == "text/markdown; charset=utf-8"
    assert Item(name="events/1.jsonl", file=Path()).content_type == "application/x-ndjson"
    assert Item(name="core", file=Path()).content_type == "application/octet-stream"


def test_a_layout_wipes_what_a_job_locked_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    layout = Layout(tmp_path / "run")
    layout.prepare()
    (layout.workspace / "a" / "b").mkdir(parents=True)
    (layout.workspace / "link").symlink_to(tmp_path / "kept")
    (layout.workspace / "a" / "b").chmod(0)
    (layout.workspace / "a").chmod(0)
    layout.prepare()
    assert not list(layout.workspace.iterdir())
    layout.wipe()
    assert not layout.root.exists()
    assert (tmp_path / "kept" / "file").exists()
