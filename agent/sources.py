"""Which streams a run has: spools, transcripts, MCP servers' logs. Looks, and reads none of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.harvest import stays_inside
from agent.redact import Redactor
from agent.running import Account, Run
from agent.stream import Source

FILES = 2_000  # looked at in one folder
WEIGHED = 5_000  # files of the artifacts


def sources(run: Run, account: Account, redactor: Redactor) -> Iterator[Source]:
    """What matters most comes first."""
    speaks = account.cli is not None and account.cli.speaks
    main = ("events", ".jsonl") if speaks else ("stdout", ".log")
    for (folder, suffix), file in ((main, account.stdout), (("stderr", ".log"), account.stderr)):
        if file:
            yield Source(folder=run.folder + folder, suffix=suffix, path=file)
    for folder_, pattern in account.cli.session_files() if account.cli else ():
        yield from _below(folder_, pattern, f"{run.folder}transcript", redactor)
    yield from _below(run.layout.logs, "**/*", f"{run.folder}mcp", redactor)


def _below(folder: Path, pattern: str, name: str, redactor: Redactor) -> Iterator[Source]:
    for path in _files(folder, pattern):
        readable = redactor.name(str(path.relative_to(folder)))
        parts, suffix = os.path.splitext(readable)  # pathlib wants to be left with a name
        if suffix in ("", "."):
            parts, suffix = f"{parts}{suffix}", ".log"
        yield Source(folder=f"{name}/{parts}", suffix=suffix, path=path, below=folder)


def _files(folder: Path, pattern: str) -> list[Path]:
    """None while the tree changes under our eyes: there is another look."""
    try:
        if folder.is_symlink():
            return []
        found = sorted(itertools.islice(folder.glob(pattern), FILES))
        return [path for path in found if path.is_file() and not path.is_symlink()]
    except (OSError, RecursionError):
        return []


def weigh(folder: Path, patterns: tuple[str, ...]) -> Callable[[], tuple[int, int]]:
    """How many files and bytes match now: of very many only the first are looked at."""

    def now() -> tuple[int, int]:
        found = set(itertools.islice(_matching(folder, patterns), WEIGHED))
        sizes = [path.lstat().st_size for path in found if path.is_file()]
        return len(sizes), sum(sizes)

    return now


def _matching(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        if not stays_inside(pattern):
            continue  # refused at the end, with a note
        for match in folder.glob(pattern):
            if "**" not in pattern and match.is_dir() and not match.is_symlink():
                for parent, _, names in os.walk(match):
                    yield from (Path(parent, name) for name in names)
            else:
                yield match
