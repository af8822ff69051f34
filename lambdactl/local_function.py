"""The function that `run-local` runs: its image, its environment, its ways out of the container."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lambdactl import credentials, secret_values
from lambdactl.credentials import Creds
from lambdactl.errors import RunError
from lambdactl.kinds.answers import OWNER
from lambdactl.manifest.job import Job
from lambdactl.ports import address_of
from lambdactl.project import Line, Project
from lambdactl.runners.protocol import Function, Invocation, Relay, Response
from lambdactl.site import Site

MADE_UP_KEY = "scripted-model"  # the scripted model takes any key
PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said. `secrets` are values by the names of the manifest."""

    input: Any = None
    creds: Creds = Creds.none
    engine: str = ""
    scripted_model: bool = False
    unsandboxed: bool = False
    leg: int = 0  # seconds of an invocation, to try out further legs; 0 is the job's own
    repeat: int = 1
    asynchronous: bool = False
    strict: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class Sandbox(Protocol):
    """What takes events: `runners.sandbox`, or what stands in for it without a container."""

    def invoke(self, invocation: Invocation, stop: threading.Event | None, *, keep: bool) -> Response: ...

    def shell(self, invocation: Invocation) -> int: ...


Opening = Callable[[Function, Line], AbstractContextManager[Sandbox]]


def check(job: Job, options: Options) -> None:
    """Refused for a declared secret without a value, which only AWS could give."""
    if options.creds is Creds.none:
        secret_values.check(job, _values(job, options))


def _values(job: Job, options: Options) -> dict[str, str]:
    values = dict(options.secrets)
    if options.scripted_model and (key := secret_values.model_key(job)):
        values[key] = MADE_UP_KEY
    return values


def environment(project: Project, job: Job, site: Site, options: Options, note: Line) -> dict[str, str]:
    """What the job finds, credentials and secrets included."""
    if told := credentials.handed_on(job, options.creds):
        note(f"AWS: {told}")
    found = {OWNER: f"{site.project}/{site.environment}", "AWS_REGION": site.region}
    values = _values(job, options)
    if options.creds is not Creds.none:
        found |= _credentials(project, job, site, options.creds, note)
    if values or options.creds is Creds.none:
        found["LAMBDACTL_SECRETS"] = json.dumps(values)
    return found


@contextmanager
def relays(project: Project, options: Options) -> Iterator[tuple[Relay, ...]]:
    """Ways out of the container to this machine's loopback: the scripted model, the embedded AWS."""
    found = []
    if project.sandbox and options.creds is not Creds.none:
        found.append(Relay(name="AWS_ENDPOINT_URL", target=address_of(project.sandbox_status.door_url)))
    if not options.scripted_model:
        yield tuple(found)
        return
    from lambdactl.sandbox.model import ScriptedModel

    with ScriptedModel() as model:
        found.append(Relay(name="LAMBDACTL_MODEL_URL", target=address_of(model.url)))
        yield tuple(found)


def image(project: Project, job: Job, options: Options, note: Line) -> tuple[str, Opening]:
    """The image (or the tree) to run, built if need be, and how to open a sandbox of it."""
    if options.engine == PROCESS:
        return _tree(project, job, options, note), _process
    from lambdactl.container import find
    from lambdactl.publish import Local
    from lambdactl.runners import local

    engine = find(options.engine)
    context = project.images.context(job.name)
    name = ""
    if options.creds is not Creds.none and not project.sandbox:
        name = project.images.pulled(engine, context.fingerprint)
        if name:
            note(f"image {context.fingerprint[:12]}: from the registry")
    if not name:
        name = Local(engine=engine, settings=project.settings, on_line=note).image(context)
        note(f"image {context.fingerprint[:12]}: {name}")
    return name, lambda function, on_line: local.opened(function, engine, on_line, strict=options.strict)


def _credentials(project: Project, job: Job, site: Site, creds: Creds, note: Line) -> dict[str, str]:
    if creds is Creds.own:
        note(
            f"AWS: your own credentials, {credentials.caller(project.aws)}: not what the deployed job may do"
        )
        return credentials.own(project.aws)
    found, how = credentials.of_job(project.aws, job, site)
    note(f"AWS: {how}")
    return found


def _tree(project: Project, job: Job, options: Options, note: Line) -> str:
    from lambdactl.publish import Trees

    if not (options.scripted_model or options.unsandboxed or job.agent.type == "command"):
        raise RunError(
            "--engine process runs the agent on this machine with nothing to hold it back",
            hint="add --scripted-model, or --unsandboxed if you mean it",
        )
    if options.creds is Creds.own:
        raise RunError("--engine process never gets your AWS credentials", hint="use --creds none")
    return str(Trees(settings=project.settings, on_line=note).tree(project.images.context(job.name)))


@contextmanager
def _process(function: Function, on_line: Line) -> Iterator[Sandbox]:
    yield _Process(function, on_line)


@dataclass(frozen=True, slots=True)
class _Process:
    function: Function
    on_line: Line

    def invoke(self, invocation: Invocation, stop: threading.Event | None, *, keep: bool) -> Response:
        from lambdactl.runners import process

        return process.invoke(self.function, invocation, self.on_line, stop)

    def shell(self, invocation: Invocation) -> int:
        raise RunError("there is no sandbox without a container", hint="leave --engine process out")
