"""What builds, pushes and installs does not outlive `--timeout`, however long it takes by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lambdactl.container import Engine
from lambdactl.deadline import Deadline
from lambdactl.errors import TimeLimit
from lambdactl.image.build import build
from lambdactl.image.context import Context
from lambdactl.image.files import File
from lambdactl.image.push import push
from lambdactl.image.tree import install_tree
from lambdactl.manifest.job import Settings
from lambdactl.publish import Local
from tests.image.test_container import program

TINY = Context(
    base=f"registry.example/base@sha256:{'1' * 64}",
    architecture="x86_64",
    dockerfile="",
    files={"tools.txt": File(b"")},
    bundles=(),
    node=False,
    apt=(),
)
LONG = 60  # seconds
SLOW = f"echo begun; exec sleep {LONG}"
# Its child is not ended with it, and holds its output open.
WITH_A_CHILD = f"echo begun; sleep {LONG} & wait"
STUBBORN = f"trap '' INT; echo begun; exec sleep {LONG}"


def engine(folder: Path, script: str) -> Engine:
    return Engine(name="docker", executable=str(program(folder, "docker", script)))


@contextmanager
def ends_soon(seconds: float = 1) -> Iterator[Deadline]:
    begin = time.monotonic()
    with pytest.raises(TimeLimit, match=f"the time limit of {seconds:g} s is over"):
        yield Deadline(seconds)
    assert time.monotonic() - begin < LONG / 2


@pytest.mark.parametrize("script", [SLOW, WITH_A_CHILD, STUBBORN])
def test_a_build(tmp_path: Path, script: str) -> None:
    lines: list[str] = []
    with ends_soon(4) as deadline:  # it has begun by then
        project = Settings(name="demo", root=tmp_path)
        docker = engine(tmp_path / "bin", f'case "$1" in image) exit 1;; esac; {script}')
        Local(engine=docker, settings=project, on_line=lines.append, deadline=deadline).image(TINY)
    assert lines[1:] == ["begun"]


def test_a_push(tmp_path: Path) -> None:
    slow = engine(tmp_path / "bin", f'case "$1" in push) {SLOW};; esac')
    with ends_soon() as deadline:
        push(slow, "demo:1", "registry.example/demo", "1", deadline=deadline)


def test_a_tree(tmp_path: Path) -> None:
    script = f"import time; print('begun', flush=True); time.sleep({LONG})"
    slow = Context(
        base="",
        architecture="x86_64",
        dockerfile="",
        files={**TINY.files, "install.py": File(script.encode())},
        bundles=(),
        node=False,
        apt=(),
    )
    with ends_soon() as deadline:
        install_tree(slow, tmp_path / "trees/1", print, deadline=deadline)
    assert not (tmp_path / "trees/1").exists()


def test_a_deadline_that_is_over() -> None:
    over = Deadline(1, iter([0.0, 5.0, 5.0, 5.0]).__next__)
    assert over.over()
    assert over.left() == 0
    with pytest.raises(TimeLimit):
        over.check()


def test_output_comes_line_by_line_and_whole(tmp_path: Path) -> None:
    lines: list[str] = []
    script = r"printf 'a\r\nb\303\244\377\n\nlast' >&2; exit 3"
    with pytest.raises(Exception, match="could not be built"):
        build(TINY, engine(tmp_path, script), "x", Settings(name="demo", root=tmp_path), lines.append)
    assert lines == ["a", "bä�", "last"]
