"""A project as a program uses it: validate, plan, apply, launch, runs. The CLI is one such program.

    from lambdactl import Project

    project = Project.open("path/to/repository")
    plan = project.plan()
    for event in project.apply(plan):
        ...
    run = project.runs.launch("triage", {"issue": 7})
    project.runs.wait(run).state

Every method raises `lambdactl.errors.LambdactlError` or one of its kinds, and nothing else on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdactl import account, manifest
from lambdactl.ahead import Ahead
from lambdactl.errors import ManifestError, Problem
from lambdactl.image.machine import on_machine
from lambdactl.manifest.job import Job, Jobs, Settings
from lambdactl.site import Site

if TYPE_CHECKING:  # what costs an import of boto3 or of the image code comes in when it is used
    from lambdactl.applied import Origin
    from lambdactl.aws import Aws
    from lambdactl.deployment import Deployments
    from lambdactl.engine import Address, Event, Plan
    from lambdactl.history import Record
    from lambdactl.holder import Holder
    from lambdactl.lease import Lease
    from lambdactl.project_images import ProjectImages
    from lambdactl.project_runs import ProjectRuns
    from lambdactl.sandbox import Status
    from lambdactl.saved import Saved
    from lambdactl.scope import Scope

NO_SCHEDULES = "the sandbox keeps schedules but starts no job by them: `lambdactl launch` does"
Line = Callable[[str], None]


class Project:
    """One project: its settings, its jobs, and the AWS (or sandbox) that they go to."""

    def __init__(
        self,
        settings: Settings,
        jobs: Iterable[Job],
        *,
        left_out: Mapping[str, Sequence[Problem]] | None = None,
        sandbox: bool | None = None,
        containers: bool | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self.settings = settings
        self.root = settings.root
        self.sandbox = settings.sandbox if sandbox is None else sandbox
        self.jobs = Jobs(jobs, left_out)
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
        whole: bool = True,
    ) -> Project:
        """The project that `path` lies in, in one environment; ManifestError carries every problem of
        its files. Where several environments are declared, one must be named: UsageError.

        With `plans` a plan comes next: AWS is asked already while the manifests are read. Unless it has to
        be `whole`, a manifest with problems costs its own job alone: the project's runs can be read, and its
        other jobs launched, but nothing can be planned.
        """
        ahead = Ahead(sandbox, time_limit)
        root = manifest.find_root(Path(path))
        loaded = manifest.load(root, environment, meanwhile=ahead.start if plans else None)
        return cls._of(loaded.checked(whole=whole), sandbox=sandbox, ahead=ahead)

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
        return cls(settings, loaded.jobs, left_out=loaded.left_out, sandbox=sandbox, ahead=ahead)

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
        return self.jobs.named(name)

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
        jobs, left_out = self.jobs.values(), self.jobs.left_out
        return Project(self.settings, jobs, left_out=left_out, sandbox=self.sandbox, containers=containers)

    @property
    def containers(self) -> bool:
        """Whether jobs are images; without an engine, in the sandbox, they are folders."""
        if self._containers is None:
            return not (self.sandbox and self.sandbox_status.engine == "process")
        return self._containers

    def definition(self, job: Job, site: Site) -> dict[str, Any]:
        """The document that the job's function reads (schemas/definition.schema.json)."""
        from lambdactl.definition import definition

        return definition(job, site, self.images.context(job.name).fingerprint)

    def deployments(self, site: Site) -> Deployments:
        from lambdactl import role_limits
        from lambdactl.definition import definition
        from lambdactl.deployment import Deployment, Deployments

        def one(job: Job) -> Deployment:
            image = contexts[job.name].fingerprint
            return Deployment(job=job, image=image, definition=definition(job, site, image))

        if problems := list(role_limits.problems(self.jobs.whole().values(), site)):
            raise ManifestError(problems)
        contexts = self.images.contexts(self.jobs)
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
        on_line: Line = lambda line: None,
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
            build=self.images.publisher(self.jobs, engine, on_line) if builds else _no_build,
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

    @property
    def sandbox_status(self) -> Status:
        from lambdactl.sandbox import status

        return status(self.root)

    @cached_property
    def images(self) -> ProjectImages:
        """What its jobs' images are made of, and how they are built and brought to the registry."""
        from lambdactl.project_images import ProjectImages

        return ProjectImages(
            settings=self.settings,
            jobs=self.jobs,
            containers=self.containers,
            sandbox=self.sandbox,
            reach=lambda: (self.aws, self.site),
        )

    @cached_property
    def runs(self) -> ProjectRuns:
        """The runs of its jobs: to start, watch, read and cancel."""
        from lambdactl.project_runs import ProjectRuns

        return ProjectRuns(self.jobs, self.root / ".lambdactl" / "runs", lambda: (self.aws, self.site))


def _no_build(fingerprint: str) -> str:
    raise AssertionError(f"the plan builds nothing, yet asks for {fingerprint}")
