"""Reads lambdactl.yaml and the manifests: every problem in them, or the values. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from lambdactl.errors import ManifestError, Problem
from lambdactl.manifest import environments, resolve, rules
from lambdactl.manifest.folder import Folder, manifests, read_home, read_jobs
from lambdactl.manifest.job import Job, Settings
from lambdactl.manifest.layers import draft, placed
from lambdactl.manifest.source import within
from lambdactl.manifest.together import among_environments, among_jobs, unknown_jobs


@dataclass(frozen=True, slots=True)
class Loaded:
    """The project in one environment. `jobs` are those without problems, sorted by name; none when
    lambdactl.yaml itself has some (`spoilt`). `left_out` has the problems of each other job."""

    project: Settings
    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]
    left_out: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    spoilt: bool = False

    def checked(self, *, whole: bool = True) -> Self:
        """Itself. Raises ManifestError when there are problems; unless it has to be `whole`, only when they
        are lambdactl.yaml's."""
        if self.spoilt or (whole and self.problems):
            raise ManifestError(list(self.problems))
        return self


def load(
    root: Path,
    environment: str = "",
    paths: Sequence[Path] = (),
    *,
    meanwhile: Callable[[Settings, int], None] | None = None,
) -> Loaded:
    """The project below `root` and its jobs, or those of `paths`, with *all* problems found.

    Rules about jobs together see every job in any case. Raises UsageError for wrong arguments only,
    one of which is to name no environment where there are several.

    `meanwhile` is told the settings, once they are known to be good, and how many manifests there are:
    it may begin something that goes on while those are read.
    """
    home = read_home(root)
    name = environments.chosen(home, environment)
    project = environments.settings(home, name)
    if meanwhile and not (home.findings or environments.findings(home, project)):
        meanwhile(project, len(manifests(home)))
    folder = read_jobs(home, paths)
    shared = [problem for names, problem in _shared(folder) if name in names]
    return _in(folder, project, shared)


def load_all(root: Path, paths: Sequence[Path] = ()) -> tuple[Loaded, ...]:
    """As `load`, in every environment that is declared."""
    folder = read_jobs(read_home(root), paths)
    shared = [problem for _, problem in _shared(folder)]
    return tuple(_in(folder, project, shared) for project in folder.environments)


def settings(root: Path) -> tuple[Settings, ...]:
    """lambdactl.yaml in each of its environments, whatever is wrong with it."""
    return Folder(read_home(root)).environments


def problems(loaded: Sequence[Loaded]) -> tuple[Problem, ...]:
    """Those of several environments, each once; what is not wrong in all of them says in which it is."""
    where: dict[Problem, list[str]] = {}
    for each in loaded:
        for problem in each.problems:
            where.setdefault(problem, []).append(each.project.environment)
    return tuple(sorted(_named(problem, names, len(loaded)) for problem, names in where.items()))


def _named(problem: Problem, names: Sequence[str], all_: int) -> Problem:
    return problem if len(names) == all_ else replace(problem, what=f"{problem.what} (in {', '.join(names)})")


def _shared(folder: Folder) -> Iterator[tuple[tuple[str, str], Problem]]:
    """What environments have in common and must not, with their names."""
    for names, finding in among_environments(folder.every, folder.home, folder.environments):
        yield names, folder.home.problem(finding)


def _in(folder: Folder, project: Settings, shared: Sequence[Problem]) -> Loaded:
    home, name = folder.home, project.environment
    found = [*environments.findings(home, project), *unknown_jobs(folder.every, home, name)]
    problems = {*shared, *(home.problem(finding) for finding in (*home.findings, *found))}
    spoilt = bool(problems)  # what is wrong in lambdactl.yaml is so for every job
    together = among_jobs(folder.every, home, name)
    jobs: list[Job] = []
    left_out: dict[str, list[Problem]] = defaultdict(list)
    for source in folder.chosen:
        own = [source.problem(finding) for finding in source.findings]
        own += [placed(finding, source, home, name) for finding in together.get(source.file, ())]
        made = draft(source, home, project)
        if made is not None:
            told = (finding for finding in rules.findings(made) if not within(finding.path, made.broken))
            own += [placed(finding, source, home, name) for finding in told]
        if made is not None and not own:
            jobs.append(resolve.job(made, source.file))
        else:
            left_out[source.file.stem] += own
        problems.update(own)
    some = () if spoilt else tuple(sorted(jobs, key=lambda job: job.name))
    return Loaded(project, some, tuple(sorted(problems)), dict(left_out), spoilt)
