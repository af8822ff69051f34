"""Runs on every change: what counts as one, and what ends the watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from lambdactl.cli.rerun import OURS, Rerun
from lambdactl.cli.signals import Stop
from lambdactl.errors import RunError, UsageError

PATIENCE = 60


def put(file: Path, text: str) -> None:
    """All at once: a file that was only begun is another one."""
    aside = file.parents[1] / "aside"
    aside.write_text(text)
    aside.replace(file)


class Watching:
    """A watch in a thread; `runs` has what the mark was at each run."""

    def __init__(self, root: Path, outside: tuple[Path, ...] = ()) -> None:
        self.root, self.end = root, Stop("stopping the job")
        self.runs: list[str] = []
        self.looks = 0
        self.ended: BaseException | int | None = None
        self._rerun = Rerun(root, self.mark, outside, self.end)
        self._outside = outside
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def mark(self) -> str:
        self.looks += 1
        text = "".join(each.read_text() for each in (self.root / "job.yaml", *self._outside))
        if "bad" in text:
            raise UsageError(f"bad manifest: {text}")
        return text

    def run(self, stop: threading.Event) -> int:
        self.runs.append(self.mark())
        if "long" in self.runs[-1]:
            stop.wait(PATIENCE)
        return 3

    def until(self, holds: Callable[[], bool]) -> None:
        limit = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < limit, (self.runs, self.ended)
            time.sleep(0.02)

    def close(self) -> None:
        self.end.set()
        self._thread.join(PATIENCE)

    def _go(self) -> None:
        try:
            self.ended = self._rerun.forever(self.run)
        except (KeyboardInterrupt, RunError) as ended:
            self.ended = ended


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    put(folder / "job.yaml", "one")
    return folder


@pytest.fixture
def watching(root: Path, tmp_path: Path) -> Iterator[Watching]:
    outside = tmp_path / "input.json"
    outside.write_text("1")
    found = Watching(root, (outside,))
    found.until(lambda: found.looks >= 3)  # before the run, in it, and when it watches
    yield found
    found.close()


def test_a_change_runs_again_and_what_is_alike_does_not(watching: Watching, root: Path) -> None:
    (root / "other").write_text("x")
    put(root / "job.yaml", "one")
    (root / OURS).mkdir()
    (root / OURS / "result").write_text("x")
    put(root / "job.yaml", "two")
    watching.until(lambda: len(watching.runs) == 2)
    assert watching.runs == ["one1", "two1"]


def test_a_file_elsewhere_counts(watching: Watching, tmp_path: Path) -> None:
    put(tmp_path / "input.json", "22")
    watching.until(lambda: watching.runs == ["one1", "one22"])


def test_what_cannot_run_waits_for_the_next_change(
    watching: Watching, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root / "job.yaml", "bad")
    said = []
    watching.until(lambda: "bad manifest" in (said.append(capsys.readouterr().err) or "".join(said)))  # type: ignore[func-returns-value]
    put(root / "job.yaml", "good")
    watching.until(lambda: watching.runs == ["one1", "good1"])


def test_a_change_while_it_runs_stops_it_and_ctrl_c_ends_with_its_code(
    watching: Watching, root: Path
) -> None:
    put(root / "job.yaml", "long")
    watching.until(lambda: len(watching.runs) == 2)
    put(root / "job.yaml", "long, too")
    watching.until(lambda: len(watching.runs) == 3)
    watching.close()
    assert watching.ended == 3


def test_ctrl_c_while_it_waits(watching: Watching) -> None:
    """Nothing runs, so nothing is said to be stopped."""
    watching.until(lambda: not watching.end.message)
    watching.close()
    assert isinstance(watching.ended, KeyboardInterrupt)


def test_what_an_editor_leaves_for_a_moment_is_not_named(
    watching: Watching, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "4913").write_text("")
    (root / "4913").unlink()
    (root / "job.yaml~").write_text("one")
    put(root / "job.yaml", "two")
    watching.until(lambda: len(watching.runs) == 2)
    assert "changed: job.yaml\n" in capsys.readouterr().err


def test_a_change_before_it_watches_is_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run has begun by then: on a busy machine there is time for one."""
    watch = watchfiles.watch

    def late(*paths: Any, **options: Any) -> Iterator[Any]:
        begun.wait(PATIENCE)
        put(root / "job.yaml", "two")
        yield from watch(*paths, **options)

    begun = threading.Event()
    monkeypatch.setattr(watchfiles, "watch", late)
    found = Watching(root)
    found.until(lambda: found.runs == ["one"])
    begun.set()
    found.until(lambda: found.runs == ["one", "two"])
    found.close()


def test_a_system_that_tells_of_no_changes_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*paths: Any, **options: Any) -> Iterator[Any]:
        raise OSError("no space left for watches")

    monkeypatch.setattr(watchfiles, "watch", none_left)
    found = Watching(root)
    found.until(lambda: found.ended is not None)
    assert isinstance(found.ended, RunError)
    assert "no space left for watches" in str(found.ended)
    assert "WATCHFILES_FORCE_POLLING" in found.ended.hint
