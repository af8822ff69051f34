"""The use case `run-local`: one job's image, run on this machine as Lambda would, its folder brought home.

With AWS credentials the run writes to the bucket exactly as in Lambda, and the folder is downloaded;
without, it writes to a volume that is copied out. Never both.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdactl import credentials, definitions, runs, secret_values
from lambdactl.credentials import Creds
from lambdactl.errors import RunError, UsageError
from lambdactl.kinds.answers import OWNER
from lambdactl.manifest.durations import seconds
from lambdactl.manifest.job import INVOCATION_MAX, Job
from lambdactl.outlets import Bucket, Outlet, volume
from lambdactl.ports import address_of
from lambdactl.project import Line, Project
from lambdactl.runners import legs
from lambdactl.runners.protocol import Function, Invocation, Relay, Response
from lambdactl.runs import Run
from lambdactl.site import Site

MADE_UP_KEY = "scripted-model"  # the scripted model takes any key
PROCESS = "process"
UNCONFIRMED = "result.unconfirmed.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said. `secrets` are values by the names of the manifest."""

    input: Any = None
    creds: Creds = Creds.none
    engine: str = ""
    scripted_model: bool = False
    unsandboxed: bool = False
    leg: int = 0  # seconds of an invocation, to try out further legs; 0 is the job's own
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`folder` is the run's folder on this machine; `response` what Lambda would have answered."""

    run: Run
    folder: Path
    response: Response


def run_local(
    project: Project, job: Job, options: Options, *, on_line: Line, note: Line, stop: threading.Event
) -> Ended:
    """Run one job here. `on_line` gets the run's own lines, `note` ours. Setting `stop` ends it softly."""
    project = project.within(containers=options.engine != PROCESS)
    run_id = runs.new_run_id()
    folder = project.local_runs / run_id
    site = project.site if options.creds is not Creds.none else project.offline_site
    with ExitStack() as stack:
        outlet: Outlet
        if options.creds is Creds.none:
            outlet = stack.enter_context(volume(folder, note))
        else:
            outlet = Bucket(project, job, run_id, note)
        definition = project.definition(job, site)
        fixed = {**outlet.prepare(definition), **legs.ENVIRONMENT}

        def environment() -> dict[str, str]:
            return {**_environment(project, job, site, options, note), **fixed}

        def next_environment() -> dict[str, str]:
            """Credentials last an hour at most: each leg gets its own."""
            outlet.between(definition, folder)
            return environment()

        definitions.keep(project.root, definition)
        first = environment()  # a secret without a value is said before an image is built
        invoke, image = _runner(project, job, options, note)
        relays = stack.enter_context(_relays(project, options, outlet))
        function = Function(
            image=image,
            name=site.function(job.name),
            arn=site.function_arn(job.name),
            memory=job.memory,
            timeout=options.leg or job.invocation,
            ephemeral_storage=job.ephemeral_storage,
            architecture=job.architecture,
            environment=first,
            run_volume=outlet.volume is not None,
            relays=relays,
        )
        invocation = Invocation(
            event=runs.event(run_id, options.input), request_id=run_id, run_folder=outlet.volume
        )
        response = invoke(function, invocation, on_line, stop)
        for number in range(2, job.legs + 1):
            if not (event := legs.following(response, run_id, number)):
                break
            note(f"leg {number} of at most {job.legs}")
            function = replace(function, environment=next_environment())
            invocation = replace(invocation, event=event, request_id=runs.new_run_id())
            response = invoke(function, invocation, on_line, stop)
        outlet.fetch(folder)
    run = _outcome(folder, run_id, job, response, outlet)
    if run.state == "lost" and stop.is_set() and not (folder / "request.json").exists():
        run = replace(run, state="cancelled", reason="stopped before it began")
    return Ended(run=run, folder=folder, response=response)


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


# -- what the job finds in its environment ------------------------------------------------------------


def _environment(project: Project, job: Job, site: Site, options: Options, note: Line) -> dict[str, str]:
    if told := credentials.handed_on(job, options.creds):
        note(f"AWS: {told}")
    environment = {OWNER: f"{site.project}/{site.environment}", "AWS_REGION": site.region}
    values = dict(options.secrets)
    if options.scripted_model and (key := secret_values.model_key(job)):
        values[key] = MADE_UP_KEY
    if options.creds is Creds.none:
        secret_values.check(job, values)
    else:
        environment |= _credentials(project, job, site, options.creds, note)
    if values or options.creds is Creds.none:
        environment["LAMBDACTL_SECRETS"] = json.dumps(values)
    return environment


def _credentials(project: Project, job: Job, site: Site, creds: Creds, note: Line) -> dict[str, str]:
    if creds is Creds.own:
        note(
            f"AWS: your own credentials, {credentials.caller(project.aws)}: not what the deployed job may do"
        )
        return credentials.own(project.aws)
    found, how = credentials.of_job(project.aws, job, site)
    note(f"AWS: {how}")
    return found


@contextmanager
def _relays(project: Project, options: Options, outlet: Outlet) -> Iterator[tuple[Relay, ...]]:
    """Ways out of the container to this machine's loopback: the scripted model, the embedded AWS."""
    found = []
    if project.sandbox and outlet.volume is None:
        found.append(Relay(name="AWS_ENDPOINT_URL", target=address_of(project.sandbox_status.door_url)))
    if not options.scripted_model:
        yield tuple(found)
        return
    from lambdactl.sandbox.model import ScriptedModel

    with ScriptedModel() as model:
        found.append(Relay(name="LAMBDACTL_MODEL_URL", target=address_of(model.url)))
        yield tuple(found)


# -- what runs it -------------------------------------------------------------------------------------

Invoke = Callable[[Function, Invocation, Line, threading.Event], Response]


def _runner(project: Project, job: Job, options: Options, note: Line) -> tuple[Invoke, str]:
    """How to invoke, and the image (or the tree) to invoke."""
    if options.engine == PROCESS:
        return _process(project, job, options, note)
    from lambdactl.publish import Local
    from lambdactl.runners import local

    engine = project.engine(options.engine)
    context = project.context(job.name)
    image = ""
    if options.creds is not Creds.none and not project.sandbox:
        image = project.pulled(engine, context.fingerprint)
        if image:
            note(f"image {context.fingerprint[:12]}: from the registry")
    if not image:
        image = Local(engine=engine, settings=project.settings, on_line=note).image(context)
        note(f"image {context.fingerprint[:12]}: {image}")

    def invoke(function: Function, invocation: Invocation, on_line: Line, stop: threading.Event) -> Response:
        return local.invoke(function, invocation, engine, on_line, stop)

    return invoke, image


def _process(project: Project, job: Job, options: Options, note: Line) -> tuple[Invoke, str]:
    from lambdactl.publish import Trees
    from lambdactl.runners import process

    if not (options.scripted_model or options.unsandboxed or job.agent.type == "command"):
        raise RunError(
            "--engine process runs the agent on this machine with nothing to hold it back",
            hint="use --scripted-model, or say --unsandboxed if you mean it",
        )
    if options.creds is Creds.own:
        raise RunError("--engine process never gets your AWS credentials", hint="use --creds none")
    tree = Trees(settings=project.settings, on_line=note).tree(project.context(job.name))
    return process.invoke, str(tree)
