"""Where a run on this machine reads its definition and leaves its folder: the bucket, or a volume."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from lambdactl.definition import canonical, digest
from lambdactl.errors import NotFound, Refused
from lambdactl.manifest.job import Job
from lambdactl.project import Line, Project
from lambdactl.runners.folders import sweep_folders, throwaway
from lambdactl.runners.owner import Owner
from lambdactl.runners.protocol import RUN_VOLUME

CHECKPOINT = "checkpoint"  # unmasked: it goes to the next leg and nowhere else


class Outlet(Protocol):
    """One of the two.

    The job's own processes can write to a volume (all in a container are one user), not to the bucket.
    """

    volume: Path | None

    def prepare(self, document: Mapping[str, Any]) -> dict[str, str]:
        """Store the definition; the environment that points to it."""

    def between(self, document: Mapping[str, Any], folder: Path) -> None:
        """One leg is over, the next is to begin: bring what is there to `folder`, but for the checkpoint."""

    def fetch(self, folder: Path) -> None:
        """Bring the run folder to `folder`."""


@contextmanager
def volume(folder: Path, note: Line) -> Iterator[Volume]:
    """What came home is the run's folder, however the run ended; what a dead lambdactl left goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep_folders(folder.parent)
    with throwaway(Owner.this().new_name(), folder.parent) as place:
        outlet = Volume(place)
        try:
            yield outlet
        finally:
            if outlet.left():
                outlet.fetch(folder)
                note(f"what it left: {folder}")


def merge(source: Path, target: Path, but: str) -> None:
    """Move what lies in one folder into another, links as they are; what is there stays."""
    for entry in sorted(source.iterdir()):
        there = target / entry.name
        if entry.name == but:
            continue
        if not os.path.lexists(there):
            entry.rename(there)
        elif all(each.is_dir() and not each.is_symlink() for each in (entry, there)):
            merge(entry, there, "")


def _file(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()


class Volume:
    """Without AWS: a folder that becomes the volume at /mnt/run and comes back from it."""

    def __init__(self, place: Path) -> None:
        self.volume: Path | None = place
        self.out = place / "out"

    def prepare(self, document: Mapping[str, Any]) -> dict[str, str]:
        assert self.volume is not None
        self.out.mkdir(exist_ok=True)
        name = f"{digest(document)}.json"
        (self.volume / name).write_bytes(canonical(document))
        return {"LAMBDACTL_RUN_DIR": RUN_VOLUME, "LAMBDACTL_DEFINITION": f"{RUN_VOLUME}/{name}"}

    def left(self) -> bool:
        """Whether a file is there that nobody fetched; folders stay, and checkpoints."""
        tops = [each for each in self.out.iterdir() if each.name != CHECKPOINT] if self.out.is_dir() else []
        return any(_file(each) or any(map(_file, each.rglob("*"))) for each in tops)

    def between(self, document: Mapping[str, Any], folder: Path) -> None:
        """The supervisor left nothing in the volume but the checkpoint and this leg's files."""
        self.fetch(folder)
        self.prepare(document)

    def fetch(self, folder: Path) -> None:
        """The job may have removed it, or put something else in its place."""
        folder.mkdir(exist_ok=True)
        if self.out.is_dir() and not self.out.is_symlink():
            merge(self.out, folder, but=CHECKPOINT)


class Bucket:
    """With AWS: the project's bucket, exactly as in Lambda."""

    volume: Path | None = None

    def __init__(self, project: Project, job: Job, run_id: str, note: Line) -> None:
        self._project, self._job, self._run_id, self._note = project, job, run_id, note

    def prepare(self, document: Mapping[str, Any]) -> dict[str, str]:
        site, aws = self._project.site, self._project.aws
        key = site.definition_key(self._job.name, digest(document))
        where = {"Bucket": site.bucket, "Key": key}
        try:
            if aws.maybe_call("s3", "HeadObject", where) is None:
                self._note("this definition is not deployed yet: stored beside the deployed one")
                aws.call("s3", "PutObject", {**where, "Body": canonical(document)})
        except NotFound:
            raise Refused(f"there is no bucket {site.bucket}", hint="`lambdactl apply` makes it") from None
        return {"LAMBDACTL_BUCKET": site.bucket, "LAMBDACTL_DEFINITION": key}

    def between(self, document: Mapping[str, Any], folder: Path) -> None:
        """The bucket keeps it all."""

    def fetch(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        runs = self._project.runs
        for _ in runs.download(runs.of(self._job.name, self._run_id), folder):
            pass
