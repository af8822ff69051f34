"""Which tests check which row, and on which engines: by collecting the tests, which runs none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
NAMES = ("row", "emulator")
WORDS = ("mark.row", "mark.emulator", "import exited, row")


@dataclass(frozen=True, slots=True)
class Mark:
    """`where` is "docker", "podman", "one engine" (the one that lambdactl chooses) or "no container"."""

    name: str  # row or emulator
    row: str
    where: str
    test: str


@cache
def collected() -> tuple[Mark, ...]:
    """Of all tests. In a process of its own: pytest collects once in each."""
    files = [str(file) for file in sorted(TESTS.rglob("test_*.py")) if _has_marks(file)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance.marks", *files],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tuple(Mark(**each) for each in json.loads(done.stdout.splitlines()[-1]))


def of(items: Iterable[Any]) -> list[dict[str, str]]:
    return [
        {"name": name, "row": str(mark.args[0]), "where": _where(item), "test": item.nodeid}
        for item in items
        for name in NAMES
        for mark in item.iter_markers(name)
    ]


def _where(item: Any) -> str:
    given = getattr(item, "callspec", None)
    if given and "on" in given.params:
        return str(given.params["on"])
    return "one engine" if "engine" in item.fixturenames else "no container"


def _has_marks(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    return any(word in text for word in WORDS)


class _Collector:
    items: tuple[Any, ...] = ()

    def pytest_collection_finish(self, session: Any) -> None:
        self.items = tuple(session.items)


def _main(files: list[str]) -> int:
    import pytest

    collector = _Collector()
    code = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *files], plugins=[collector])
    print()
    print(json.dumps(of(collector.items)))
    return int(code)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
