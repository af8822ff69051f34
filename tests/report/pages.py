"""Run folders for pages, and what a page says to a reader: its text, its tags, its links."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from lambdactl import runs
from lambdactl.report.html import Folder
from lambdactl.report.html.links import beside
from lambdactl.runs import Run

RUN_ID = "924d9870-ddbc-51ea-b687-8d20469203ec"
SAMPLES = Path(__file__).with_name("samples")
NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
_BLOCKS = {"h1", "h2", "h3", "p", "div", "li", "dt", "tr", "summary", "pre", "section", "footer", "header"}


def files_of(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def sample(name: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A recorded run folder and the definition of the run."""
    return files_of(SAMPLES / name / "run"), json.loads((SAMPLES / name / "definition.json").read_text())


def folder(
    files: Mapping[str, bytes], definition: Mapping[str, Any] | None = None, /, **changes: Any
) -> Folder:
    """What `show` would make of these files, as of NOW."""
    run = Run(id=RUN_ID, job="triage", folder="s3://bucket/triage/run/", state="lost", reason="no result")
    if "result.json" in files:
        run = runs.read_result(files["result.json"], run)

    def chunks(name: str, size: int = 1000) -> Iterator[bytes]:
        content = files[name]
        yield from (content[at : at + size] for at in range(0, len(content), size))

    settings: dict[str, Any] = {
        "run": run,
        "files": [(name, len(content)) for name, content in files.items()],
        "chunks": chunks,
        "definition": definition,
        "no_definition": "" if definition else "nobody has it",
        "link": beside(Path("/home/ann/runs/run"), Path("/home/ann/page.html")),
        "now": NOW,
    }
    return Folder(**{**settings, **changes})


class Page(HTMLParser):
    """`lines` is the text as a reader sees it, everything unfolded; `tags` and `attributes` what it is of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lines: list[str] = [""]
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.links: list[str] = []
        self.policy = ""
        self.style = ""
        self._in: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name in given}
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given.get("content") or ""
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag in ("td", "th", "span", "code", "b", "small", "dd", "a") and not self.lines[-1].endswith(" "):
            self.lines[-1] += " "
        if tag in _BLOCKS:
            self.lines.append("# " if tag == "h2" else "")
        if tag in ("style", "title", "nav"):
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._in:
            self._in.remove(tag)

    def handle_data(self, data: str) -> None:
        if self._in == ["style"]:
            self.style += data
        if not self._in:
            first, *more = data.split("\n")
            self.lines[-1] += first
            self.lines += more

    @property
    def text(self) -> str:
        lines = (" ".join(line.split()) for line in self.lines)
        return "\n".join(line for line in lines if line) + "\n"
