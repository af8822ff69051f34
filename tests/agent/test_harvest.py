"""What is taken of a workspace that an agent made, and what is not."""

from __future__ import annotations

import fnmatch
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent import media, tree
from agent.harvest import Bounds, Item, below, bounded, file_name
from agent.layout import Layout
from agent.left import Left


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
    assert Item(name="core", file=Path()).content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "type_", "disposition"),
    [
        ("a.md", "text/plain; charset=utf-8", "inline"),
        ("workspace.patch", "text/plain; charset=utf-8", "inline"),
        ("events/000001.JSONL", "text/plain; charset=utf-8", "inline"),
        ("main.ts", "text/plain; charset=utf-8", "inline"),  # not video/mp2t
        ("Makefile", "text/plain; charset=utf-8", "inline"),
        ("a.json", "application/json", "inline"),
        ("a.png", "image/png", "inline"),
        ("a.webp", "image/webp", "inline"),
        ("a.html", "text/html; charset=utf-8", "attachment"),
        ("a.SVG", "image/svg+xml", "attachment"),
        ("a.svgz", "image/svg+xml", "attachment"),
        ("a.xhtml", "application/xhtml+xml", "attachment"),
        ("a.xml", None, "attachment"),  # text/ or application/, as the machine has it
        ("a.pdf", "application/pdf", "attachment"),
        ("a.mhtml", "multipart/related", "attachment"),
        ("a.js", None, "attachment"),
        ("a.html.zip", "application/zip", "attachment"),
        ("a.unheard-of", "application/octet-stream", "attachment"),
    ],
)
def test_what_a_browser_may_open(name: str, type_: str | None, disposition: str) -> None:
    found = Item(name=f"artifacts/{name}", file=Path()).content_type
    assert type_ in (found, None)
    assert media.disposition(found) == disposition


GLOBS = ("*", "**", "a*", "?", "[ab]", "[!a]", "*.b", "[]", "[b-a]", ".*", "a.b", "b")
PATHS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4)


@given(parts=st.lists(st.sampled_from(GLOBS), min_size=1, max_size=4), path=PATHS)
def test_globs_mean_what_they_mean_elsewhere(parts: list[str], path: list[str]) -> None:
    assume(not {".", ".."} & {*parts, *path})
    assert tree.matches(tree.pattern("/".join(parts)), "/".join(path)) == expected(parts, path)


def expected(parts: list[str], path: list[str]) -> bool:
    """By names; all below a folder that matches."""
    if not parts:
        return True
    if parts[0] == "**":
        return any(expected(parts[1:], path[start:]) for start in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], parts[0]) and expected(parts[1:], path[1:])


def test_hidden_files_are_files_and_case_matters(workspace: Path) -> None:
    (workspace / ".hidden.md").touch()
    (workspace / ".config").mkdir()
    (workspace / ".config" / "x.md").touch()
    assert taken(workspace, "**/*.md")[0][:3] == [
        "artifacts/.hidden.md",
        "artifacts/a.md",
        "artifacts/.config/x.md",
    ]
    assert taken(workspace, "A.md")[0] == []


def test_of_very_many_files_the_first_are_looked_at_and_the_rest_is_told(workspace: Path) -> None:
    (workspace / "many").mkdir()
    for number in range(100):
        (workspace / "many" / f"{number:03}").touch()
    left = Left()
    found = list(tree.walk(workspace, left.out, most=50))
    assert found[0] == "a.md"
    assert 40 < len(found) < 50
    assert left.notes() == ("left out, what lies beyond 50 files and folders, from there on: many/",)


def test_nested_folders_are_counted_once(workspace: Path) -> None:
    names, _ = taken(workspace, "out/**", "**/*", "out")
    assert len(names) == len(set(names)) == 4


def test_a_workspace_that_became_a_link_is_not_looked_into(workspace: Path) -> None:
    workspace.rename(workspace.parent / "moved")
    workspace.symlink_to("/proc/self")
    assert taken(workspace, "environ") == (
        [],
        ("left out, a folder that was replaced by a link: artifacts/",),
    )


def swap_for_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def swap_for_a_socket(file: Path) -> None:
    file.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(file))


def swap_for_a_link(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parents[2] / "secret.txt")


def swap_its_folder(file: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.symlink_to(file.parents[2])


@pytest.mark.parametrize(
    "swap", [swap_for_a_pipe, swap_for_a_socket, swap_for_a_link, swap_its_folder, Path.unlink]
)
def test_what_is_opened_is_judged_not_what_was_found(workspace: Path, swap: Callable[[Path], None]) -> None:
    """Between the two a process that would not die may have changed it."""
    (workspace / "out" / "secret.txt").touch()
    (item,) = below(workspace, "", ["out/secret.txt"], left=Left())
    swap(item.file)
    with pytest.raises(OSError):  # noqa: PT011 - which one is the kernel's affair
        item.open()


def test_what_vanishes_is_told(workspace: Path) -> None:
    left = Left()
    items = list(below(workspace, "", ["*.md", "out/b.md"], left=left))
    (workspace / "a.md").unlink()
    assert [item.name for item in bounded(items, Bounds(), left)] == ["out/b.md"]
    assert left.notes() == ("left out, files that vanished: a.md",)


def test_a_sparse_file_counts_as_what_it_would_be(workspace: Path) -> None:
    os.truncate(workspace / "a.md", 1 << 40)
    left = Left()
    assert list(bounded(below(workspace, "", ["a.md"], left=left), Bounds(), left)) == []
    assert left.notes() == ("left out, files over 268,435,456 bytes: a.md",)


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


def test_looking_ends_when_it_is_late(workspace: Path) -> None:
    """Of what was found so far something can still be stored; with the deadline all would be lost."""
    left, looks = Left(), iter([False, False, False, True, False, True])
    items = below(workspace, "artifacts/", ["**/*.md", "none"], left=left, late=lambda: next(looks))
    assert [item.name for item in items] == ["artifacts/a.md"]
    assert left.notes() == (
        "left out, files that no time was left to look for: artifacts/ from out/deep/d.txt on, "
        "artifacts/ from out/b.md on",
    )
