"""A project as a program uses it: validate, plan, apply, launch, runs. The CLI is one such program.

    from lambdactl import Project

    project = Project.open("path/to/repository")
    plan = project.plan()
    for event in project.apply(plan):
        ...
    run = project.launch("triage", {"issue": 7})
    project.wait(run).state

Every method raises `lambdactl.errors.LambdactlError` or one of its kinds, and nothing else on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdactl import account, manifest
from lambdactl.ahead import Ahead
from lambdactl.errors import ManifestError, NotFound, Problem, Refused, RunError, UsageError
from lambdactl.image.machine import on_machine
from lambdactl.manifest.job import Job, Settings
from lambdactl.site import Site

if TYPE_CHECKING:  # what costs an import of boto3 or of the image code comes in when it is used
    from lambdactl.applied import Origin
    from lambdactl.aws import Aws
    from lambdactl.container import Engine
    from lambdactl.deployment import Deployments
    from lambdactl.engine import Address, Event, Plan
    from lambdactl.history import Record
    from lambdactl.holder import Holder
    from lambdactl.image.context import Context, Contexts
    from lambdactl.lease import Lease
    from lambdactl.lock import Lock
    from lambdactl.runs import Place, Run, Runs
    from lambdactl.sandbox import Status
    from lambdactl.saved import Saved
    from lambdactl.scope import Scope

NO_SCHEDULES = "the sandbox keeps schedules but starts no job by them: `lambdactl launch` does"
Line = Callable[[str], None]


def _silent(line: str) -> None:
    return None


class Project:
    """One project: its settings, its jobs, and the AWS (or sandbox) that they go to."""

    def __init__(
        self,
        settings: Settings,
        jobs: Sequence[Job],
        *,
        sandbox: bool | None = None,
        containers: bool | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self.settings = settings
        self.root = settings.root
        self.sandbox = settings.sandbox if sandbox is None else sandbox
        self.jobs = {job.name: job for job in jobs}
        self._containers = containers
        self._ahead = ahead or Ahead(self.sandbox, None)
        self._lease: Lease | None = None

    @classmethod
    def open(
        cls,
        path: str | Path = ".",
        *,
        environment: str = "",
        sandbox: bool | None = None,
        time_limit: float | None = None,
        plans: bool = False,
    ) -> Project:
        """The project that `path` lies in, in one environment; ManifestError carries every problem of
        its files. Where several environments are declared, one must be named: UsageError.

        With `plans` a plan comes next: AWS is asked already while the manifests are read.
        """
        ahead = Ahead(sandbox, time_limit)
        root = manifest.find_root(Path(path))
        loaded = manifest.load(root, environment, meanwhile=ahead.start if plans else None)
        return cls._of(loaded.checked(), sandbox=sandbox, ahead=ahead)

    @classmethod
    def open_all(cls, path: str | Path = ".") -> tuple[Project, ...]:
        """The project in each of its environments."""
        loaded = manifest.load_all(manifest.find_root(Path(path)))
        if problems := manifest.problems(loaded):
            raise ManifestError(list(problems))
        return tuple(cls._of(each) for each in loaded)

    @classmethod
    def _of(
        cls, loaded: manifest.Loaded, *, sandbox: bool | None = None, ahead: Ahead | None = None
    ) -> Project:
        settings = on_machine(loaded.project, os.environ)
        return cls(settings, loaded.jobs, sandbox=sandbox, ahead=ahead)

    @classmethod
    def validate(
        cls, path: str | Path = ".", manifests: Sequence[Path] = (), *, environment: str = ""
    ) -> tuple[Problem, ...]:
        """Every problem in the project's files, in one environment or in all; empty when all is well."""
        return manifest.problems(cls.examine(path, manifests, environment=environment))

    @classmethod
    def examine(
        cls, path: str | Path = ".", manifests: Sequence[Path] = (), *, environment: str = ""
    ) -> tuple[manifest.Loaded, ...]:
        """What the project's files hold and have wrong, in one environment or in each. Asks AWS nothing."""
        from lambdactl import role_limits

        root = manifest.find_root(Path(path))
        if environment:
            found: tuple[manifest.Loaded, ...] = (manifest.load(root, environment, manifests),)
        else:
            found = manifest.load_all(root, manifests)

        def whole(each: manifest.Loaded) -> manifest.Loaded:
            more = role_limits.problems(each.jobs, cls._of(each).offline_site)
            return replace(each, problems=(*each.problems, *more))

        return tuple(whole(each) if each.jobs else each for each in found)

    def job(self, name: str) -> Job:
        """A job by name or by its manifest's path."""
        job = self.jobs.get(Path(name).stem if name.endswith((".yaml", ".yml")) else name)
        if job is None:
            raise UsageError(
                f"there is no job {name}", hint=f"jobs: {', '.join(sorted(self.jobs)) or 'none yet'}"
            )
        return job

    # -- where --------------------------------------------------------------------------------------

    @cached_property
    def aws(self) -> Aws:
        """AWS, or the sandbox; of the right account, or Refused."""
        return self._ahead.aws(self.settings)

    @cached_property
    def site(self) -> Site:
        return account.site(self.settings, self.aws, sandbox=self.sandbox)

    @property
    def offline_site(self) -> Site:
        """The site as far as it is known without asking anybody."""
        return account.offline_site(self.settings)

    # -- what ---------------------------------------------------------------------------------------

    def within(self, *, containers: bool) -> Project:
        """The same project for jobs in containers, or for jobs as plain processes."""
        jobs = tuple(self.jobs.values())
        return Project(self.settings, jobs, sandbox=self.sandbox, containers=containers)

    @property
    def containers(self) -> bool:
        """Whether jobs are images; without an engine, in the sandbox, they are folders."""
        if self._containers is None:
            return not (self.sandbox and self.sandbox_status.engine == "process")
        return self._containers

    def context(self, name: str) -> Context:
        """A job's build context. LockError says what lambdactl.lock lacks for this job."""
        self._check_lock([self.jobs[name]])
        return self._contexts.of(self.jobs[name])

    @cached_property
    def _contexts(self) -> Contexts:
        from lambdactl.image.context import Contexts

        return Contexts(self._built_with, self._lock)

    @cached_property
    def _lock(self) -> Lock:
        from lambdactl import lock

        return lock.load(self.root / "lambdactl.lock")

    def _check_lock(self, jobs: Collection[Job]) -> None:
        from lambdactl import lock

        lock.check(self._lock, self._built_with, jobs)

    @property
    def _built_with(self) -> Settings:
        """A folder has no base image: none has to be locked, and none is in its fingerprint."""
        return self.settings if self.containers else replace(self.settings, base_image="")

    def definition(self, job: Job, site: Site) -> dict[str, Any]:
        """The document that the job's function reads (schemas/definition.schema.json)."""
        from lambdactl.definition import definition

        return definition(job, site, self.context(job.name).fingerprint)

    def deployments(self, site: Site) -> Deployments:
        from lambdactl import role_limits
        from lambdactl.definition import definition
        from lambdactl.deployment import Deployment, Deployments

        def one(job: Job) -> Deployment:
            image = self._contexts.of(job).fingerprint
            return Deployment(job=job, image=image, definition=definition(job, site, image))

        if problems := list(role_limits.problems(self.jobs.values(), site)):
            raise ManifestError(problems)
        self._check_lock(self.jobs.values())  # all that is missing at once
        jobs = tuple(one(self.jobs[name]) for name in sorted(self.jobs))
        return Deployments(site=site, jobs=jobs, bucket_named=bool(self.settings.bucket))

    # -- plan and apply -----------------------------------------------------------------------------

    def plan(self, scope: Scope | None = None) -> Plan:
        """What apply would change. Reads AWS, changes nothing, builds nothing."""
        from lambdactl import reconcile
        from lambdactl.secrets import missing_notes

        wanted = self.deployments(self.site)
        with ThreadPoolExecutor(1, "notes") as meanwhile:
            missing = meanwhile.submit(missing_notes, self.aws, self.jobs.values())
            made = reconcile.plan(self.aws, wanted, scope, self._ahead.reader())
        notes = (*made.notes, *missing.result())
        return replace(made, notes=(*notes, NO_SCHEDULES) if self._waits_in_vain else notes)

    @property
    def _waits_in_vain(self) -> bool:
        return self.sandbox and any(job.schedule and job.schedule.enabled for job in self.jobs.values())

    def plan_offline(self) -> Plan:
        """What would be created in an empty account; asks AWS nothing, needs no credentials."""
        from lambdactl import reconcile

        return reconcile.plan_offline(self.deployments(self.offline_site))

    def plan_destroy(self, *, data: bool = False) -> Plan:
        """Everything of the project goes; with `data` its logs and images too. The bucket always stays."""
        from lambdactl import reconcile

        return reconcile.plan_destroy(self.aws, self._nothing, data=data)

    def drift(self) -> tuple[Plan, dict[Address, Origin]]:
        """Every difference between AWS, read in full, and the manifests, and who made each."""
        from lambdactl import applying
        from lambdactl.scope import Scope

        made = self.plan(Scope(full=True, prune=True, allow_mass_prune=True))
        return made, applying.origins(self.aws, self._nothing, made)

    @contextmanager
    def locked(
        self, wait: float = 0.0, *, on_wait: Callable[[Holder], None] = lambda holder: None
    ) -> Iterator[None]:
        """Hold the apply lock, so that a plan made inside is still true when it is applied.

        Waits so many seconds for another apply to end; Refused says who holds it.
        """
        from lambdactl.author import author
        from lambdactl.lease import Lease, Timing

        timing = Timing(wait=wait, on_wait=on_wait)
        with Lease.acquire(self.aws, self.site, author(self.root), timing) as lease:
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    def apply(
        self,
        plan: Plan,
        *,
        engine: str = "",
        on_line: Line = _silent,
        stop: Callable[[], bool] = lambda: False,
        command: str = "",
    ) -> Iterator[Event]:
        """Carry out `plan` under the lock, yielding events, and leave a record (`history`).

        What a build needs is looked for before anything starts. `command` is for the record.
        """
        from lambdactl import applying
        from lambdactl.author import author

        builds = any(step.address.kind == "image" and step.action == "create" for step in plan.steps)
        work = applying.Work(
            aws=self.aws,
            deployments=self._nothing,
            build=self._publisher(self.jobs, engine, on_line) if builds else _no_build,
            author=author(self.root),
            command=command,
            stop=stop,
            on_line=on_line,
        )
        with nullcontext() if self._lease else self.locked():
            assert self._lease is not None
            yield from applying.run(work, plan, self._lease)

    def saved(self, plan: Plan, scope: Scope) -> str:
        """`plan` as the text of a file for `check_saved`."""
        from lambdactl import saved
        from lambdactl.author import author

        return saved.dump(saved.saved(plan, scope, self.site, author(self.root).commit))

    def check_saved(self, old: Saved, plan: Plan) -> None:
        """Refused, saying what moved, unless `plan` is the one that was saved."""
        from lambdactl import saved

        saved.check(old, saved.saved(plan, old.scope, self.site, old.commit))

    @property
    def _nothing(self) -> Deployments:
        """The place, without jobs."""
        from lambdactl.deployment import Deployments

        return Deployments(site=self.site, bucket_named=bool(self.settings.bucket))

    def history(self, id: str = "", *, count: int = 20) -> list[Record]:
        """The latest applies, newest first; or the one with this id."""
        from lambdactl import history

        newest = history.latest(self.aws, self.site, count)
        if any(each.status == "running" for each in newest):
            newest = history.judged(newest, self.lock_holder() is not None)
        if not id:
            return newest
        known = [each for each in newest if each.id == id]
        return known or [history.one(self.aws, self.site, id)]

    def lock_holder(self) -> Holder | None:
        """Who holds the apply lock; None when nobody does."""
        from lambdactl import lease

        return lease.current(self.aws, self.site)

    def unlock(self, nonce: str | None = None) -> Holder | None:
        """Remove the apply lock by hand (only the one with this nonce); what that was."""
        from lambdactl import lease

        return lease.unlock(self.aws, self.site, nonce)

    def push(self, names: Sequence[str], *, engine: str = "", on_line: Line = _silent) -> dict[str, str]:
        """Bring these jobs' images into the registry; job -> digest. Builds only what is not there."""
        publish = self._publisher(names, engine, on_line)
        there = self._registered()
        digests = {}
        for name in names:
            image = self.context(name).fingerprint
            if image not in there:
                there[image] = publish(image)
            digests[name] = there[image]
        return digests

    def _registered(self) -> dict[str, str]:
        from lambdactl.kinds.look import digests

        found = digests(self.aws, self.site)
        if found is None:
            raise Refused(f"there is no repository {self.site.repository}", hint="`lambdactl apply` makes it")
        return found

    def _publisher(self, names: Iterable[str], engine: str, on_line: Line) -> Callable[[str], str]:
        from lambdactl.publish import Local, Publisher, SandboxPublisher, Trees

        contexts = {context.fingerprint: context for context in map(self.context, names)}
        if not self.containers:
            trees = Trees(settings=self.settings, on_line=on_line)
            return SandboxPublisher(aws=self.aws, site=self.site, contexts=contexts, local=trees)
        local = Local(engine=self.engine(engine), settings=self.settings, on_line=on_line)
        kind = SandboxPublisher if self.sandbox else Publisher
        return kind(aws=self.aws, site=self.site, contexts=contexts, local=local)

    @property
    def sandbox_status(self) -> Status:
        from lambdactl.sandbox import status

        return status(self.root)

    def pulled(self, engine: Engine, fingerprint: str) -> str:
        """The image out of the project's registry, by the engine's name for it; "" when it is not there."""
        from lambdactl.image.push import pull
        from lambdactl.publish import ecr_credentials

        ids = [{"imageTag": fingerprint}]
        parameters = {"repositoryName": self.site.repository, "imageIds": ids}
        answer = self.aws.maybe_call("ecr", "BatchGetImage", parameters)
        if answer is None or not answer["images"]:
            return ""
        digest = answer["images"][0]["imageId"]["imageDigest"]
        return pull(engine, self.site.repository_uri, digest, ecr_credentials(self.aws))

    @staticmethod
    def engine(preferred: str = "") -> Engine:
        from lambdactl.container import find

        return find(preferred)

    # -- runs ---------------------------------------------------------------------------------------

    def launch(self, job: str, input_: Any = None, *, run_id: str = "") -> Run:
        """Start the deployed job and return at once. `run_id` (a UUID) may be yours."""
        from lambdactl.runners.lambda_ import launch
        from lambdactl.runs import Run, event, is_run_id, new_run_id

        found = self.job(job)
        made = run_id or new_run_id()
        if not is_run_id(made):
            raise UsageError(
                f"{made!r} is not a UUID", hint="let launch make one, or lambdactl.runs.new_run_id"
            )
        try:
            launch(self.aws, self.site.function(found.name), event(made, input_))
        except NotFound:
            raise RunError(f"{found.name} is not deployed", hint="`lambdactl apply` deploys it") from None
        folder = f"s3://{self.site.bucket}/{found.prefix}{made}/"
        return Run(id=made, job=found.name, folder=folder, state="queued")

    def wait(self, run: Run, *, patience: float | None = None) -> Run:
        """Until the run ended or was lost; after `patience` seconds (default: the job's time limit
        and five minutes) the state it is in then."""
        place = self._place(self.job(run.job))
        enough = place.timeout + 300 * place.legs if patience is None else patience
        return self._runs.wait(place, run.id, patience=enough)

    def runs(self, job: str = "", *, count: int = 20) -> list[Run]:
        """The latest runs, newest first; of one job, or of all."""
        jobs = [self.job(job)] if job else list(self.jobs.values())
        found = [run for one in jobs for run in self._runs.latest(self._place(one), count)]
        return sorted(found, key=lambda run: run.id, reverse=True)[:count]

    def run(self, run_id: str) -> Run:
        """A run of this machine (`run-local`), or else one in the bucket."""
        from lambdactl.runs import local

        if here := local(self.local_runs, run_id):
            return here
        return self._runs.find([self._place(job) for job in self.jobs.values()], run_id)

    def run_of(self, job: str, run_id: str) -> Run:
        return self._runs.one(self._place(self.job(job)), run_id)

    def cancel(self, run_id: str, job: str = "") -> Run:
        """Ask a run to end: it does within 15 seconds, as `cancelled`, with everything gathered. RunError
        when it is not running. With its `job` also one that has not begun: it ends as soon as it does."""
        run = self.run_of(job, run_id) if job else self.run(run_id)
        if not run.folder.startswith("s3://"):
            raise RunError(f"the run {run_id} was one of this machine: it is {run.state}", where=run.folder)
        return self._runs.cancel(self._place(self.job(run.job)), run_id)

    def logs(self, run: Run, stream: str = "", *, follow: bool = False) -> Iterator[tuple[str, bytes]]:
        """(which, line) of a run's streams: `events` or `stdout`, or the one named (`stderr`, `transcript`,
        `mcp`). With `follow` until the run has ended."""
        from lambdactl import logs

        return logs.lines(self, run, stream, follow=follow)

    def files(self, run: Run, below: str = "") -> list[tuple[str, int]]:
        """(path in the run folder, size in bytes) of all that is stored whose path begins with `below`."""
        from lambdactl.runs import local_files

        if run.folder.startswith("s3://"):
            return self._runs.files(run, below)
        return local_files(run, below)

    def chunks(self, run: Run, name: str) -> Iterator[bytes]:
        """One file of `files`, piece by piece. NotFound or OSError when it is not there any more."""
        from lambdactl.runs import local_chunks

        return self._runs.chunks(run, name) if run.folder.startswith("s3://") else local_chunks(run, name)

    def download(self, run: Run, target: Path) -> Iterator[Path]:
        """Every file of a run in the bucket, written below `target`; yields each."""
        if not run.folder.startswith("s3://"):
            raise UsageError("the run's folder is on this machine already", where=run.folder)
        return self._runs.download(run, target)

    @property
    def local_runs(self) -> Path:
        """Where `run-local` leaves run folders."""
        return self.root / ".lambdactl" / "runs"

    @cached_property
    def _runs(self) -> Runs:
        from lambdactl.runs import Runs

        return Runs(self.aws, self.site)

    @staticmethod
    def _place(job: Job) -> Place:
        from lambdactl.runs import Place

        return Place(
            job=job.name,
            prefix=job.prefix,
            timeout=job.timeout,
            legs=job.legs,
            invocation=job.invocation,
            max_event_age=job.max_event_age,
        )


def _no_build(fingerprint: str) -> str:
    raise AssertionError(f"the plan builds nothing, yet asks for {fingerprint}")
