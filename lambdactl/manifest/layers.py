"""Where a job's fields may stand: its manifest, and three places of lambdactl.yaml. Pure.

defaults  <  environments.ENV.defaults  <  the manifest  <  environments.ENV.jobs.JOB
"""

from __future__ import annotations

from dataclasses import replace

from lambdactl.errors import Problem
from lambdactl.manifest.draft import Draft, overlaid, with_defaults
from lambdactl.manifest.finding import Finding, Path
from lambdactl.manifest.job import Settings
from lambdactl.manifest.references import strings
from lambdactl.manifest.source import Source

_DEFAULTS: Path = ("defaults",)


def override(environment: str, job: str) -> Path:
    """Where lambdactl.yaml says what is other about a job in an environment."""
    return ("environments", environment, "jobs", job)


def draft(source: Source, home: Source, project: Settings) -> Draft | None:
    """None when nothing sensible can be said: the file, or what it shares the job with, is unusable."""
    name, low, high = source.file.stem, *_beside(project.environment, source.file.stem)
    if not source.document.usable or not home.document.usable:
        return None
    if any(_touch(path, layer) for path in home.broken for layer in (_DEFAULTS, low, high)):
        return None
    defaults = overlaid(home.at(_DEFAULTS) or {}, home.at(low) or {})
    above = home.at(high) or {}
    value = overlaid(with_defaults(source.sound, defaults), above)
    return Draft(
        name=name,
        project=project,
        value=value,
        own=overlaid(source.sound, above),
        broken=source.broken,
        texts=tuple(strings(value)),
    )


def placed(finding: Finding, source: Source, home: Source, environment: str) -> Problem:
    """The finding at the topmost place that says what it is about; what nobody says, in the manifest."""
    low, high = _beside(environment, source.file.stem)
    layers: tuple[tuple[Source, Path], ...] = ((home, high), (source, ()), (home, low), (home, _DEFAULTS))
    for file, layer in layers:
        path = (*layer, *finding.path)
        if finding.path and file.at(path) is not None:
            return file.problem(replace(finding, path=path))
    return source.problem(finding)


def _beside(environment: str, job: str) -> tuple[Path, Path]:
    """The environment's two layers: below the manifest, and above it."""
    return ("environments", environment, "defaults"), override(environment, job)


def _touch(one: Path, other: Path) -> bool:
    """Whether either lies in the other."""
    return all(a == b for a, b in zip(one, other, strict=False))
