"""The embedded AWS: start it, stop it, say where it is. Speaks no AWS itself.

    status = up(root)            # a daemon of its own; there already is fine
    endpoint(root)               # where it answers, for whoever makes clients
    down(root, purge=False)      # what it holds is kept, unless purged

One project has one sandbox, in <root>/.lambdactl/sandbox/. No credentials, registry or address of the
sandbox exist outside of it: a client made from an Endpoint cannot reach AWS.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lambdactl.errors import MissingTool, SandboxError
from lambdactl.sandbox import daemon
from lambdactl.sandbox.state import Folder, State

ACCOUNT = "000000000000"
REGION = "us-east-1"
# Checked by nobody, but masked in what a run leaves: so nothing that anybody would write.
SECRET_KEY = "made+up+for+the+sandbox+of+lambdactl0000"  # noqa: S105
REGISTRY = "sandbox.invalid"  # RFC 6761: never resolves, so nothing can be pushed anywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """All that a client needs, and nothing that AWS would accept."""

    url: str
    account: str = ACCOUNT
    region: str = REGION
    registry: str = REGISTRY
    access_key: str = "LAMBDACTLSANDBOX"  # not twelve digits: ministack would take those for an account
    secret_key: str = SECRET_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`url` and the rest are "" and 0 when the sandbox is down."""

    up: bool
    folder: Path
    url: str = ""
    door_url: str = ""  # for runs: S3, SSM, STS and Lambda only
    model_url: str = ""
    engine: str = ""
    pid: int = 0
    started: str = ""


def up(
    root: Path,
    *,
    engine: str = "",
    scripted_model: bool = True,
    on_line: Callable[[str], None] = lambda line: None,
) -> Status:
    """Start the sandbox, or find it up; returns when it answers. Safe to call from many places at once.

    `engine` is docker, podman, a file, "process" (no container), or "" for whichever is found when the
    first job runs. With `scripted_model` the jobs in it talk to a model that follows a script.
    """
    if find_spec("ministack") is None:
        raise MissingTool(
            "the sandbox needs ministack, which is not installed",
            hint="install lambdactl with its extra `sandbox`",
        )
    folder = Folder.of(root)
    with folder.changing():
        folder.make()
        state = daemon.find(folder)
        if state is None:
            on_line("starting the embedded AWS")
            state = daemon.start(folder, root.resolve(), engine, scripted_model)
        elif engine and engine != state.engine:
            raise SandboxError(
                f"the sandbox is up with engine {state.engine or 'as found'!r}, not {engine!r}",
                hint="lambdactl sandbox down, then up again",
            )
        elif state.model_url and not scripted_model:
            raise SandboxError(
                "the sandbox is up with the scripted model, not the real one",
                hint="lambdactl sandbox down, then up again",
            )
    return _status(folder, state)


def down(root: Path, *, purge: bool = False) -> None:
    """Stop the sandbox; running jobs are asked to end first. With `purge` all it holds is deleted."""
    folder = Folder.of(root)
    if not folder.path.exists():
        return
    with folder.changing():
        state = folder.read()
        if state:
            daemon.stop(folder, state)
        daemon.wait_for_emulator(folder)
        if purge:
            shutil.rmtree(folder.path)


def status(root: Path) -> Status:
    folder = Folder.of(root)
    return _status(folder, folder.read())


def endpoint(root: Path) -> Endpoint:
    """Where the sandbox of this project answers; raises SandboxError when it is not up."""
    state = Folder.of(root).read()
    if state is None:
        raise SandboxError("the sandbox of this project is not up", hint="lambdactl sandbox up")
    return Endpoint(url=state.url)


def session_arguments(endpoint: Endpoint) -> dict[str, str]:
    """Arguments of boto3.Session; pass `endpoint_url=endpoint.url` to each client as well.

    Given like this they win over every environment variable, profile and configuration file.
    """
    return {
        "aws_access_key_id": endpoint.access_key,
        "aws_secret_access_key": endpoint.secret_key,
        "region_name": endpoint.region,
    }


def _status(folder: Folder, state: State | None) -> Status:
    if state is None:
        return Status(up=False, folder=folder.path)
    return Status(
        up=True,
        folder=folder.path,
        url=state.url,
        door_url=state.door_url,
        model_url=state.model_url,
        engine=state.engine,
        pid=state.pid,
        started=state.started,
    )
