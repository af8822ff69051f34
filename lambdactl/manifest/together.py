"""What only several files, or several environments, seen together can have wrong. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from lambdactl.manifest.finding import Finding, shown
from lambdactl.manifest.job import Settings
from lambdactl.manifest.layers import override
from lambdactl.manifest.rules.prefixes import fault, normal, overlapping
from lambdactl.manifest.source import Source, shown_file
from lambdactl.site import partition_of

_SHOWN = 3  # prefixes in one text


def among_jobs(sources: Sequence[Source], home: Source, environment: str) -> Mapping[Path, list[Finding]]:
    """Names and prefixes that jobs of one environment have in common, by the manifest's file."""
    findings: dict[Path, list[Finding]] = defaultdict(list)
    names: dict[str, Path] = {}
    for source in sources:
        first = names.setdefault(source.file.stem, source.file)
        if first != source.file:
            for one, other in ((first, source.file), (source.file, first)):
                what = f"{shown_file(other)} is a job of the same name"
                findings[one].append(Finding((), what, "rename one of the files"))
    prefixes = _prefixes(sources, home, environment)
    for outer, inner in overlapping(prefixes):
        for one, other in ((outer, inner), (inner, outer)):
            what = f"prefix {prefixes[one]} overlaps {prefixes[other]} of {shown_file(other)}"
            findings[one].append(Finding(("prefix",), what, "give each job a folder of its own"))
    return findings


def _prefixes(sources: Iterable[Source], home: Source, environment: str) -> dict[Path, str]:
    """The sound ones, as they hold in this environment."""
    found = {}
    for source in sources:
        own = home.at((*override(environment, source.file.stem), "prefix"))
        text = source.sound.get("prefix") if own is None else own
        if isinstance(text, str) and fault(text) == ("", ""):
            found[source.file] = normal(text)
    return found


def among_environments(
    sources: Sequence[Source], home: Source, environments: Iterable[Settings]
) -> Iterator[tuple[tuple[str, str], Finding]]:
    """Pairs of environments whose jobs would write over each other's runs, in one bucket."""
    for one, other in combinations(environments, 2):
        if _bucket(one) is None or _bucket(one) != _bucket(other):
            continue
        prefixes = {
            (each.environment, file): prefix
            for each in (one, other)
            for file, prefix in _prefixes(sources, home, each.environment).items()
        }
        same = [prefixes[inner] for outer, inner in overlapping(prefixes) if outer[0] != inner[0]]
        if same:
            names = one.environment, other.environment
            yield names, _shared(home, one.bucket, names, same)


def _bucket(project: Settings) -> tuple[str, str, bool] | None:
    """What tells buckets apart: a name is taken once in a partition, whatever the account."""
    return (project.bucket, partition_of(project.region), project.sandbox) if project.bucket else None


def _shared(home: Source, bucket: str, names: tuple[str, str], prefixes: Sequence[str]) -> Finding:
    places = [("environments", name, "bucket") for name in reversed(names)]
    path = next((place for place in places if home.at(place) is not None), ("bucket",))
    shown_ = ", ".join(prefixes[:_SHOWN]) + (", ..." if len(prefixes) > _SHOWN else "")
    what = f"{names[0]} and {names[1]} share the bucket {bucket}, and prefixes overlap there: {shown_}"
    return Finding(path, what, "give each environment a `bucket:` of its own, or its jobs another prefix")


def unknown_jobs(sources: Iterable[Source], home: Source, environment: str) -> Iterator[Finding]:
    """Overrides of jobs that there are not: a typing error would leave the job as it is elsewhere."""
    names = sorted({source.file.stem for source in sources})
    for name in home.at(("environments", environment, "jobs")) or ():
        if name not in names:
            hint = f"jobs: {', '.join(names)}" if names else "there are no manifests yet"
            yield Finding(override(environment, name), f"there is no job {shown(name)}", hint, key=True)
