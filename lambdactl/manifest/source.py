"""One file of a project: its content, what is wrong with it by itself, and where that is. Only reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from lambdactl.errors import Problem
from lambdactl.manifest.check import check, without
from lambdactl.manifest.document import MAX_BYTES, Document, parse
from lambdactl.manifest.finding import Finding, masked
from lambdactl.manifest.finding import Path as Where
from lambdactl.manifest.rules.secrets import literals


@dataclass(frozen=True, slots=True)
class Source:
    """`sound` is what of the document is fit for the rules, `broken` what was taken out for that."""

    file: Path
    document: Document
    findings: tuple[Finding, ...]
    broken: tuple[Where, ...]
    sound: dict[str, Any]

    def problem(self, finding: Finding) -> Problem:
        line, column = finding.place or self.document.place(finding.path, key=finding.key)
        return Problem(shown_file(self.file), line, column, masked(finding.what), masked(finding.hint))

    def at(self, path: Where) -> Any:
        """The sound value at `path`; None where there is none (the schemas allow no null)."""
        value: Any = self.sound
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def read(file: Path, schema: str) -> Source:
    """Never raises on any content."""
    try:
        if file.exists() and not file.is_file():  # a pipe or a device would block
            raise OSError(0, "it is not a file")
        with file.open("rb") as stream:
            document = parse(stream.read(MAX_BYTES + 1))
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        reason = Finding((), what, "check its kind and permissions", place=(1, 1))
        document = Document(findings=(reason,))
    if not document.usable:
        return Source(file, document, document.findings, (), {})
    # Secrets first: what looks like one is taken out with all else that is broken, and no rule sees it.
    findings = [*document.findings, *literals(document.value)]
    reported = {finding.path for finding in findings if finding.place is None}
    findings += [f for f in check(schema, document.value) if not within(f.path, reported)]
    broken = _taken_out(findings)
    sound = without(document.value, broken) if broken else document.value
    return Source(file, document, tuple(findings), broken, sound)


def place(file: Path, path: Where) -> tuple[str, int, int]:
    """File, line and column of a manifest that was good when it was read, for what is found later."""
    line, column = read(file, "job").document.place(path, key=True)
    return shown_file(file), line, column


def within(path: Where, parts: Collection[Where]) -> bool:
    """Whether `path` is one of `parts` or lies in one."""
    return any(path[: len(part)] == part for part in parts)


def _taken_out(findings: Iterable[Finding]) -> tuple[Where, ...]:
    """What the rules shall not see. A list goes whole: without an item it would mean something else."""
    paths = (finding.path for finding in findings if finding.place is None)
    return tuple(tuple(takewhile(lambda part: isinstance(part, str), path)) for path in paths)


def shown_file(file: Path) -> str:
    """As a reader in the current folder would type it, which is what annotations need, too."""
    try:
        return str(file.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
