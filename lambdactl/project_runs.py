"""The runs of a project's jobs, in its bucket or on this machine: started, watched, read, ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from lambdactl.aws import Aws
from lambdactl.errors import NotFound, RunError, UsageError
from lambdactl.manifest.job import INVOCATION_MAX, LEGS_MAX, Jobs
from lambdactl.manifest.rules.prefixes import fault, normal
from lambdactl.runners.lambda_ import launch
from lambdactl.runs import (
    Place,
    Run,
    Runs,
    event,
    is_run_id,
    local,
    local_chunks,
    local_files,
    new_run_id,
)
from lambdactl.site import Site


class ProjectRuns:
    """`Project.runs`. `home` is where `run-local` leaves run folders; AWS is reached for only when a run is
    not there."""

    def __init__(
        self, jobs: Jobs, home: Path, reach: Callable[[], tuple[Aws, Site]], place: Place | None = None
    ) -> None:
        self.home = home
        self._jobs, self._reach = jobs, reach
        self._only = place

    def below(self, prefix: str) -> ProjectRuns:
        """Those under this prefix alone: of a job that is not in git any more, or broken there. How long its
        runs may take is not known: as long as any may."""
        what, hint = fault(prefix)
        if what:
            raise UsageError(f"the prefix {prefix!r} {what}", hint=hint)
        folder = normal(prefix)
        place = Place(job=folder.rstrip("/"), prefix=folder, timeout=INVOCATION_MAX, legs=LEGS_MAX)
        return ProjectRuns(self._jobs, self.home, self._reach, place)

    def launch(self, job: str, input_: Any = None, *, run_id: str = "") -> Run:
        """Start the deployed job and return at once. `run_id` (a UUID) may be yours."""
        found, (aws, site) = self._jobs.named(job), self._reach()
        made = run_id or new_run_id()
        if not is_run_id(made):
            raise UsageError(
                f"{made!r} is not a UUID", hint="let launch make one, or lambdactl.runs.new_run_id"
            )
        try:
            launch(aws, site.function(found.name), event(made, input_))
        except NotFound:
            raise RunError(f"{found.name} is not deployed", hint="`lambdactl apply` deploys it") from None
        folder = f"s3://{site.bucket}/{found.prefix}{made}/"
        return Run(id=made, job=found.name, folder=folder, state="queued")

    def wait(self, run: Run, *, patience: float | None = None) -> Run:
        """Until the run ended or was lost; after `patience` seconds (default: the job's time limit
        and five minutes) the state it is in then."""
        place = self._place(run.job)
        enough = place.timeout + 300 * place.legs if patience is None else patience
        return self._bucket.wait(place, run.id, patience=enough)

    def latest(self, job: str = "", *, count: int = 20) -> list[Run]:
        """The latest runs in the bucket, newest first; of one job, or of all."""
        places = [self._place(job)] if job else self._places
        found = [run for place in places for run in self._bucket.latest(place, count)]
        return sorted(found, key=lambda run: run.id, reverse=True)[:count]

    def find(self, run_id: str) -> Run:
        """A run of this machine (`run-local`), or else one in the bucket."""
        if here := local(self.home, run_id):
            return here
        try:
            return self._bucket.find(self._places, run_id)
        except RunError as absent:
            if self._jobs.left_out and not self._only:
                absent.hint = f"or it is of {', '.join(sorted(self._jobs.left_out))}, left out: {absent.hint}"
            raise

    def of(self, job: str, run_id: str) -> Run:
        """The run of this job in the bucket."""
        return self._bucket.one(self._place(job), run_id)

    def again(self, run: Run) -> Run:
        """The run as it is now."""
        return self.of(run.job, run.id) if run.folder.startswith("s3://") else run

    def cancel(self, run_id: str, job: str = "") -> Run:
        """Ask a run to end: it does within 15 seconds, as `cancelled`, with everything gathered. RunError
        when it is not running. With its `job` also one that has not begun: it ends as soon as it does."""
        run = self.of(job, run_id) if job else self.find(run_id)
        if not run.folder.startswith("s3://"):
            raise RunError(f"the run {run_id} was one of this machine: it is {run.state}", where=run.folder)
        return self._bucket.cancel(self._place(run.job), run_id)

    def files(self, run: Run, below: str = "") -> list[tuple[str, int]]:
        """(path in the run folder, size in bytes) of all that is stored whose path begins with `below`."""
        if run.folder.startswith("s3://"):
            return self._bucket.files(run, below)
        return local_files(run, below)

    def chunks(self, run: Run, name: str) -> Iterator[bytes]:
        """One file of `files`, piece by piece. NotFound or OSError when it is not there any more."""
        return self._bucket.chunks(run, name) if run.folder.startswith("s3://") else local_chunks(run, name)

    def download(self, run: Run, target: Path) -> Iterator[Path]:
        """Every file of a run in the bucket, written below `target`; yields each."""
        if not run.folder.startswith("s3://"):
            raise UsageError("the run's folder is on this machine already", where=run.folder)
        return self._bucket.download(run, target)

    @cached_property
    def _bucket(self) -> Runs:
        return Runs(*self._reach())

    @property
    def _places(self) -> list[Place]:
        return [self._only] if self._only else [self._place(job) for job in self._jobs]

    def _place(self, name: str) -> Place:
        if self._only:
            return self._only
        job = self._jobs.named(name)
        return Place(
            job=job.name,
            prefix=job.prefix,
            timeout=job.timeout,
            legs=job.legs,
            invocation=job.invocation,
            max_event_age=job.max_event_age,
        )
