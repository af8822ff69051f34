"""The files of a project: which there are, and which of them are asked about. Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdactl.errors import UsageError
from lambdactl.manifest import environments
from lambdactl.manifest.job import Settings
from lambdactl.manifest.source import Source, read

PROJECT_FILE = "lambdactl.yaml"


@dataclass(frozen=True, slots=True)
class Folder:
    """lambdactl.yaml and the manifests; only the rules about jobs together look at `others`."""

    home: Source
    chosen: tuple[Source, ...] = ()
    others: tuple[Source, ...] = ()

    @property
    def every(self) -> tuple[Source, ...]:
        return (*self.chosen, *self.others)

    @property
    def environments(self) -> tuple[Settings, ...]:
        """Those that are declared, or the one there is."""
        names = environments.declared(self.home) or (environments.ONLY,)
        return tuple(environments.settings(self.home, name) for name in names)


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds lambdactl.yaml. Raises UsageError."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise UsageError(f"no {PROJECT_FILE} in {here} or above it", hint="`lambdactl init` writes one")


def read_home(root: Path) -> Source:
    """lambdactl.yaml. Raises UsageError where there is none."""
    if not (root / PROJECT_FILE).is_file():
        raise UsageError(f"no {PROJECT_FILE} in {root}", hint="`lambdactl init` writes one")
    return read(root / PROJECT_FILE, "project")


def manifests(home: Source) -> list[Path]:
    """The files in the folder of manifests, which all environments share."""
    return _in_folder(_jobs(home))


def read_jobs(home: Source, paths: Sequence[Path]) -> Folder:
    """All manifests, or those of `paths` (or jobs' names) and beside them the others. Raises UsageError for
    a wrong path."""
    everything = manifests(home)
    if not paths:
        return Folder(home, _read(everything))
    chosen: dict[Path, Path] = {}
    for path in (_named(home, everything, each) for each in paths):
        for file in _in_folder(path) if path.is_dir() else [path]:
            chosen.setdefault(file.resolve(), file)
    others = (file for file in everything if file.resolve() not in chosen)
    return Folder(home, _read(chosen.values()), _read(others))


def _named(home: Source, everything: Sequence[Path], path: Path) -> Path:
    """A manifest or a folder of some, or the manifest of the job of this name."""
    folder = _jobs(home)
    if not path.exists():
        for file in everything:
            if file.stem == str(path):
                return file
        raise UsageError(f"{path} does not exist", hint=f"manifests lie in {folder.name}/")
    here = path.resolve()
    if folder.resolve() in (here if path.is_dir() else here.parent).parents:
        hint = f"manifests lie in {folder.name}/ itself: move it there"
        raise UsageError(f"{path} is in a folder below {folder.name}/, where nothing is a job", hint=hint)
    return path


def _jobs(home: Source) -> Path:
    return home.file.parent / environments.settings(home, environments.ONLY).jobs


def _read(files: Iterable[Path]) -> tuple[Source, ...]:
    return tuple(read(file, "job") for file in files)


def _in_folder(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    files = (file for file in found if file.suffix in (".yaml", ".yml") and file.name[0] != ".")
    return sorted(files, key=lambda file: file.name)
