"""The use case `run-local`: one job's image, run on this machine as Lambda would, its folder brought home.

With AWS credentials the run writes to the bucket exactly as in Lambda, and the folder is downloaded;
without, it writes to a volume that is copied out. Never both.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdactl import definitions, local_function, runs
from lambdactl.credentials import Creds
from lambdactl.errors import UsageError
from lambdactl.local_function import Opening, Options, Sandbox
from lambdactl.manifest.durations import seconds
from lambdactl.manifest.job import INVOCATION_MAX, Job
from lambdactl.outlets import Bucket, Outlet, volume
from lambdactl.project import Line, Project
from lambdactl.runners import asynchronous, legs, limits, trace
from lambdactl.runners.protocol import Function, Invocation, Response
from lambdactl.runs import Run
from lambdactl.site import Site

__all__ = ["Ended", "Options", "leg", "run_local", "shell"]

UNCONFIRMED = "result.unconfirmed.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`folder` is the run's folder on this machine; `response` what Lambda answered at last, after so many
    `attempts`."""

    run: Run
    folder: Path
    response: Response
    attempts: int = 1


def run_local(
    project: Project, job: Job, options: Options, *, on_line: Line, note: Line, stop: threading.Event
) -> Generator[Ended, None, None]:
    """Run one job here, as often as `options.repeat` says; each run as it ends.

    `on_line` gets the run's own lines, `note` ours. Setting `stop` ends a run softly, and no other begins.
    """
    limits.check_event(runs.event(runs.new_run_id(), options.input), asynchronous=options.asynchronous)
    with _prepared(project, job, options, on_line, note) as play:
        for number in range(1, options.repeat + 1):
            if options.repeat > 1:
                note(f"event {number} of {options.repeat}")
            yield play.run(stop, keep=number < options.repeat)
            if stop.is_set():
                return


def shell(project: Project, job: Job, options: Options, *, on_line: Line, note: Line) -> int:
    """A shell in the job's sandbox, where the event of a run waits for a runtime; the shell's exit code."""
    run_id = runs.new_run_id()
    with (
        _prepared(project, job, options, on_line, note) as play,
        play.outlet(run_id) as outlet,
    ):
        sandbox = play.fresh(outlet.prepare(play.definition))
        return sandbox.shell(play.invocation(run_id, outlet))


def leg(job: Job, text: str) -> int:
    """The seconds of a leg; 0 where none is given."""
    if not text:
        return 0
    duration = seconds(text)
    if job.legs == 1:
        raise UsageError(f"{job.name} has no legs", hint="declare `legs` and a timeout over 15m")
    if duration is None or not 10 <= duration <= INVOCATION_MAX:
        raise UsageError(f"{text} is no time for a leg", hint="give 10s to 15m, as in 60s")
    return duration


# -- what is run, and how often -----------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Play:
    """What all runs of one call have in common. `template` is the function without its outlet."""

    project: Project
    job: Job
    options: Options
    on_line: Line
    note: Line
    site: Site
    definition: Mapping[str, Any]
    template: Function
    opening: Opening
    opened: ExitStack = field(default_factory=ExitStack)
    sandbox: Sandbox | None = None  # what `opened` holds

    def run(self, stop: threading.Event, *, keep: bool) -> Ended:
        """One run, in the sandbox there is; with `keep` another is to come."""
        run_id = runs.new_run_id()
        folder = self.project.runs.home / run_id
        with self.outlet(run_id) as outlet:
            where = outlet.prepare(self.definition)
            first = self.invocation(run_id, outlet)
            sandbox = self.sandbox or self.fresh(where)
            response, attempts = self._attempts(sandbox, first, stop, keep=keep)
            response = self._further_legs(response, first, outlet, where, stop)
            outlet.fetch(folder)
        run = _outcome(folder, run_id, self.job, response, outlet)
        if run.state == "lost" and stop.is_set() and not (folder / "request.json").exists():
            run = replace(run, state="cancelled", reason="stopped before it began")
        return Ended(run=run, folder=folder, response=response, attempts=attempts)

    def outlet(self, run_id: str) -> AbstractContextManager[Outlet]:
        if self.options.creds is Creds.none:
            return volume(self.project.runs.home / run_id, self.note)
        return nullcontext(Bucket(self.project, self.job, run_id, self.note))

    def invocation(self, run_id: str, outlet: Outlet) -> Invocation:
        return Invocation(
            event=runs.event(run_id, self.options.input),
            request_id=run_id,
            run_folder=outlet.volume,
            trace_id=trace.first(self.template.arn),
        )

    def fresh(self, where: Mapping[str, str]) -> Sandbox:
        """Another sandbox, with the environment of the moment; `where` is what the outlet adds to it."""
        self.opened.close()
        environment = local_function.environment(self.project, self.job, self.site, self.options, self.note)
        function = replace(self.template, environment={**environment, **where, **legs.ENVIRONMENT})
        self.sandbox = self.opened.enter_context(self.opening(function, self.on_line))
        return self.sandbox

    def _attempts(
        self, sandbox: Sandbox, invocation: Invocation, stop: threading.Event, *, keep: bool
    ) -> tuple[Response, int]:
        """The last response, and how many there were: an asynchronous event is tried again after an error."""
        retries = self.job.retries if self.options.asynchronous else 0
        response = sandbox.invoke(invocation, stop, keep=keep or retries > 0)
        for attempt, wait in enumerate(asynchronous.waits(retries), start=2):
            if not response.function_error:
                return response, attempt - 1
            lambda_s = wait * asynchronous.LAMBDA_S / asynchronous.UNIT
            self.note(f"attempt {attempt} of {retries + 1}, in {wait:g} s (Lambda: in {lambda_s:g} s)")
            if stop.wait(wait):
                return response, attempt - 1
            response = sandbox.invoke(invocation, stop, keep=keep or attempt <= retries)
        return response, retries + 1

    def _further_legs(
        self,
        response: Response,
        invocation: Invocation,
        outlet: Outlet,
        where: Mapping[str, str],
        stop: threading.Event,
    ) -> Response:
        """The last leg's response. Each has a sandbox of its own: credentials last an hour at most."""
        run_id = invocation.request_id
        for number in range(2, self.job.legs + 1):
            if not (event := legs.following(response, run_id, number)):
                break
            self.note(f"leg {number} of at most {self.job.legs}")
            outlet.between(self.definition, self.project.runs.home / run_id)
            invocation = replace(
                invocation,
                event=event,
                request_id=runs.new_run_id(),
                trace_id=trace.following(invocation.trace_id, self.template.arn),
            )
            response = self.fresh(where).invoke(invocation, stop, keep=False)
        return response


@contextmanager
def _prepared(project: Project, job: Job, options: Options, on_line: Line, note: Line) -> Iterator[_Play]:
    """The image is there, and the ways out are open."""
    project = project.within(containers=options.engine != local_function.PROCESS)
    site = project.site if options.creds is not Creds.none else project.offline_site
    definition = project.definition(job, site)
    definitions.keep(project.root, definition)
    local_function.check(job, options)  # before an image is built
    image, opening = local_function.image(project, job, options, note)
    with local_function.relays(project, options) as relays:
        template = Function(
            image=image,
            name=site.function(job.name),
            arn=site.function_arn(job.name),
            memory=job.memory,
            timeout=options.leg or job.invocation,
            ephemeral_storage=job.ephemeral_storage,
            architecture=job.architecture,
            environment={},
            log_format=job.log_format,
            run_volume=options.creds is Creds.none,
            relays=relays,
        )
        play = _Play(
            project=project,
            job=job,
            options=options,
            on_line=on_line,
            note=note,
            site=site,
            definition=definition,
            template=template,
            opening=opening,
        )
        with play.opened:
            yield play


# -- what came of it ----------------------------------------------------------------------------------


def _outcome(folder: Path, run_id: str, job: Job, response: Response, outlet: Outlet) -> Run:
    file = folder / "result.json"
    run = Run(id=run_id, job=job.name, folder=str(folder), state="lost")
    content = runs.result_here(folder) or b""
    answer = _object(response.payload)
    if content and (outlet.volume is None or _vouches(response, answer, _object(content), run_id)):
        return runs.read_result(content, replace(run, state="unreadable"))
    reason = str(answer.get("errorMessage") or "no result was written")
    if outlet.volume and (file.exists() or file.is_symlink()):
        file.rename(folder / UNCONFIRMED)
        reason += f"; its result.json is not the supervisor's, see {UNCONFIRMED}"
    return replace(run, reason=reason)


def _vouches(response: Response, answer: Mapping[str, Any], result: Mapping[str, Any], run_id: str) -> bool:
    """Whether the supervisor itself says what the result in the volume says: only it gets to answer."""
    said = (answer.get("runId"), answer.get("outcome"))
    return not response.function_error and said == (run_id, result.get("outcome")) and None not in said


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object; {} for anything else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
