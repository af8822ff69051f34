"""Reads lambdactl.yaml and the manifests: every problem in them, or the values. Changes nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

from lambdactl.errors import ManifestError, Problem, UsageError
from lambdactl.manifest import resolve, rules
from lambdactl.manifest.check import check, without
from lambdactl.manifest.document import MAX_BYTES, Document, parse
from lambdactl.manifest.draft import Draft, with_defaults
from lambdactl.manifest.finding import Finding, masked
from lambdactl.manifest.finding import Path as Where
from lambdactl.manifest.job import Job, Settings
from lambdactl.manifest.references import strings
from lambdactl.manifest.rules.prefixes import fault, normal, overlapping
from lambdactl.manifest.rules.project import project_findings
from lambdactl.manifest.rules.secrets import literals

PROJECT_FILE = "lambdactl.yaml"
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9]{1,31}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """`jobs` are those without problems, sorted by name."""

    project: Settings
    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]

    def checked(self) -> Self:
        """Itself. Raises ManifestError when there are problems."""
        if self.problems:
            raise ManifestError(list(self.problems))
        return self


@dataclass(frozen=True, slots=True)
class _Source:
    """One file: its content, what is wrong with it by itself, and what is `sound` enough for the rules."""

    file: Path
    document: Document
    findings: tuple[Finding, ...]
    sound: dict[str, Any]

    @property
    def broken(self) -> tuple[Where, ...]:
        return _taken_out(self.findings)

    def problem(self, finding: Finding) -> Problem:
        line, column = finding.place or self.document.place(finding.path, key=finding.key)
        return Problem(_shown(self.file), line, column, masked(finding.what), masked(finding.hint))


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds lambdactl.yaml. Raises UsageError."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise UsageError(f"no {PROJECT_FILE} in {here} or above it", hint="`lambdactl init` writes one")


def load(root: Path, environment: str = "", paths: Sequence[Path] = ()) -> Loaded:
    """The project below `root` and its jobs, or those of `paths`, with *all* problems found.

    Rules about jobs together see every job in any case. Raises UsageError for a wrong argument only.
    """
    environment = environment or "main"
    if not _ENVIRONMENT.fullmatch(environment):
        raise UsageError(f"{environment!r} is not an environment's name", hint="use a-z, then a-z and 0-9")
    if not (root / PROJECT_FILE).is_file():
        raise UsageError(f"no {PROJECT_FILE} in {root}", hint="`lambdactl init` writes one")
    home = _read(root / PROJECT_FILE, "project")
    project = resolve.project(home.sound, root, environment)
    chosen, others = _manifests(project, paths)
    sources = [_read(file, "job") for file in (*chosen, *others)]
    together = _together(sources)

    problems = [home.problem(finding) for finding in (*home.findings, *project_findings(project))]
    jobs: list[Job] = []
    for source in sources[: len(chosen)]:
        draft = _draft(source, home, project)
        found = [source.problem(finding) for finding in (*source.findings, *together.get(source.file, ()))]
        found += _by_rules(draft, source, home) if draft else ()
        problems += found
        if draft and not found:
            jobs.append(resolve.job(draft, source.file))
    if any(problem.file == _shown(home.file) for problem in problems):
        jobs = []
    return Loaded(project, tuple(sorted(jobs, key=lambda job: job.name)), tuple(sorted(set(problems))))


def _read(file: Path, schema: str) -> _Source:
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
        return _Source(file, document, document.findings, {})
    # Secrets first: what looks like one is taken out with all else that is broken, and no rule sees it.
    findings = [*document.findings, *literals(document.value)]
    reported = {finding.path for finding in findings if finding.place is None}
    findings += [f for f in check(schema, document.value) if not _within(f.path, reported)]
    broken = _taken_out(findings)
    return _Source(
        file, document, tuple(findings), without(document.value, broken) if broken else document.value
    )


def _taken_out(findings: Iterable[Finding]) -> tuple[Where, ...]:
    """What the rules shall not see. A list goes whole: without an item it would mean something else."""
    paths = (finding.path for finding in findings if finding.place is None)
    return tuple(tuple(takewhile(lambda part: isinstance(part, str), path)) for path in paths)


def _manifests(project: Settings, paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files to report on, and the others, which only the rules about jobs together look at."""
    folder = project.root / project.jobs
    everything = _in_folder(folder)
    if not paths:
        return everything, []
    chosen: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist", hint=f"manifests lie in {project.jobs}/")
        for file in _in_folder(path) if path.is_dir() else [path]:
            chosen.setdefault(file.resolve(), file)
    return list(chosen.values()), [file for file in everything if file.resolve() not in chosen]


def _in_folder(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(file for file in found if file.suffix in (".yaml", ".yml") and file.name[0] != ".")


def _draft(source: _Source, home: _Source, project: Settings) -> Draft | None:
    """None when nothing sensible can be said: the file, or what it inherits, is unusable."""
    inherits_nonsense = not home.document.usable or any(path[:1] == ("defaults",) for path in home.broken)
    if not source.document.usable or inherits_nonsense:
        return None
    value = with_defaults(source.sound, home.sound.get("defaults", {}))
    return Draft(
        name=source.file.stem,
        project=project,
        value=value,
        own=source.sound,
        broken=source.broken,
        texts=tuple(strings(value)),
    )


def _by_rules(draft: Draft, source: _Source, home: _Source) -> list[Problem]:
    problems = []
    for finding in rules.findings(draft):
        if _within(finding.path, set(draft.broken)):
            continue
        inherited = ("defaults", *finding.path)
        if _has(home.sound, inherited) and not _has(source.sound, finding.path):
            problems.append(home.problem(replace(finding, path=inherited)))
        else:
            problems.append(source.problem(finding))
    return problems


def _together(sources: Iterable[_Source]) -> dict[Path, list[Finding]]:
    """What only several jobs seen together can have wrong, by file."""
    findings: dict[Path, list[Finding]] = defaultdict(list)
    names: dict[str, Path] = {}
    prefixes: dict[Path, str] = {}
    for source in sources:
        first = names.setdefault(source.file.stem, source.file)
        if first != source.file:
            for one, other in ((first, source.file), (source.file, first)):
                what = f"{_shown(other)} is a job of the same name"
                findings[one].append(Finding((), what, "rename one of the files"))
        text = source.sound.get("prefix")
        if isinstance(text, str) and fault(text) == ("", ""):
            prefixes[source.file] = normal(text)
    for outer, inner in overlapping(prefixes):
        for one, other in ((outer, inner), (inner, outer)):
            what = f"prefix {prefixes[one]} overlaps {prefixes[other]} of {_shown(other)}"
            findings[one].append(Finding(("prefix",), what, "give each job a folder of its own"))
    return findings


def _within(path: Where, broken: Collection[Where]) -> bool:
    return any(path[: len(part)] == part for part in broken)


def _has(value: Any, path: Where) -> bool:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _shown(file: Path) -> str:
    """As a reader in the current folder would type it, which is what annotations need, too."""
    try:
        return str(file.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
