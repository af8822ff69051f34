"""Runs on this machine, which `run-local` brought home. A job may have left anything in their folders."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lambdactl.runs.run import LARGEST, Run, Saved, is_run_id, read_result, when_lost


def local(home: Path, run_id: str) -> Run | None:
    """A run that `run-local` brought home; None when it did not."""
    folder = home / run_id
    if not is_run_id(run_id) or not folder.is_dir():
        return None
    run = Run(id=run_id, job="", folder=str(folder), state="unreadable")
    content = result_here(folder)
    if content is None:
        saved = _saved_here(run)
        return replace(run, state="lost", saved=saved, reason=f"{when_lost(saved)}; no result was written")
    found = read_result(content, run)
    return replace(found, job=str(found.result.get("job", "")))


def result_here(folder: Path) -> bytes | None:
    """What is read of a result.json on this machine; None for what is no file. A job that killed its
    supervisor may have left anything there: a link to a file of ours, a pipe, a file of a terabyte."""
    try:
        descriptor = os.open(folder / "result.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        return file.read(LARGEST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def local_files(run: Run, below: str = "") -> list[tuple[str, int]]:
    """(path in the run folder, size in bytes) of what lies on this machine; never a checkpoint."""
    folder = Path(run.folder)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    named = ((path.relative_to(folder).as_posix(), path.stat().st_size) for path in files)
    shown = ((name, size) for name, size in named if not name.startswith("checkpoint/"))
    return [(name, size) for name, size in shown if name.startswith(below)]


def _saved_here(run: Run) -> Saved:
    files = local_files(run)
    times = [Path(run.folder, name).stat().st_mtime for name, _ in files]
    last = datetime.fromtimestamp(min(max(times, default=0.0), time.time()), UTC)  # a job may set any
    return Saved(files=len(files), size=sum(size for _, size in files), last=last)


def local_chunks(run: Run, name: str) -> Iterator[bytes]:
    """A file of `local_files`, piece by piece; OSError for what is a link by now."""
    with open(os.open(Path(run.folder, name), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
