"""Runs one invocation in a container, as Lambda would, on this machine's engine. Leaves nothing behind.

The unmodified image talks to a Runtime API served by this process on the gateway of a bridge network
made for this run (docs/design.md). One container for each invocation. Whatever ends it, also an
exception, the container, network and volume go; what a SIGKILL of this process leaves, the next
invocation removes. Signals are the caller's business: a soft stop is `stop`, KeyboardInterrupt kills.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners import seccomp, volume
from lambdactl.runners.create import PASSWD_ENTRY, Image, Place, arguments, masks, read_image
from lambdactl.runners.ending import Ended, answer
from lambdactl.runners.environment import check, environment
from lambdactl.runners.folders import sweep_folders, throwaway
from lambdactl.runners.log import Log
from lambdactl.runners.meter import Meter
from lambdactl.runners.network import Network, opened
from lambdactl.runners.owner import LABEL, Owner, remove, run, sweep
from lambdactl.runners.passwd import read_passwd
from lambdactl.runners.protocol import Invocation, Relay, Response
from lambdactl.runners.relay import RelayServer
from lambdactl.runners.runtime_api import Event, RuntimeApi
from lambdactl.runners.runtime_server import PORT, RuntimeServer
from lambdactl.runners.watch import Watch

__all__ = ["Invocation", "Relay", "Response", "invoke", "sweep"]

FLUSH = 10.0  # seconds for the last lines of a container that has ended
KILL_EVERY = 0.5


def invoke(
    invocation: Invocation,
    engine: Engine,
    on_line: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Response:
    """Run it to its end. RunError when it could not be started; every other end is a Response.

    `stop` asks the function's main process to end (SIGTERM) and kills it if it does not.
    """
    check(invocation.environment)
    image = read_image(engine, invocation)
    log = Log(on_line)
    sweeping = threading.Thread(target=_sweep, args=(engine,), daemon=True)
    sweeping.start()
    try:
        with _sandbox(invocation, engine, image, log) as sandbox:
            return _run(invocation, engine, sandbox, stop or threading.Event(), log)
    finally:
        sweeping.join()


def _sweep(engine: Engine) -> None:
    sweep(engine)
    sweep_folders()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sandbox:
    """A container that was made and not started, and the server it will talk to."""

    name: str
    network: Network
    api: RuntimeApi


@contextmanager
def _sandbox(invocation: Invocation, engine: Engine, image: Image, log: Log) -> Iterator[_Sandbox]:
    owner = Owner.this()
    name = owner.new_name()
    event = Event(
        request_id=invocation.request_id,
        function_arn=invocation.function_arn,
        body=invocation.event,
        timeout=invocation.timeout,
    )
    start_line = f"START RequestId: {invocation.request_id} Version: $LATEST"
    api = RuntimeApi(event, on_dispatch=lambda: log.line(start_line))
    with ExitStack() as stack:
        network = stack.enter_context(opened(engine, name, owner))
        address = _serve(stack, api, network)
        relayed = _relays(stack, invocation.relays, network)
        files = stack.enter_context(throwaway(name))
        place = _place(engine, image, name, owner, files, with_volume=invocation.run_volume is not None)
        variables = environment(
            invocation, runtime_api=address, handler=image.handler, image=image.environment
        )
        stack.enter_context(_container(invocation, engine, image, place, {**variables, **relayed}, log))
        yield _Sandbox(name=name, network=network, api=api)


def _serve(stack: ExitStack, api: RuntimeApi, network: Network) -> str:
    try:
        stack.enter_context(RuntimeServer(api, (network.gateway, PORT), network.subnet))
    except OSError as refused:
        address = f"{network.gateway}:{PORT}"
        raise RunError(f"the Lambda Runtime API cannot be served at {address}", why=str(refused)) from None
    return f"{network.gateway}:{PORT}"


def _relays(stack: ExitStack, relays: tuple[Relay, ...], network: Network) -> dict[str, str]:
    """The variables that point to them."""
    found = {}
    for relay in relays:
        server = stack.enter_context(RelayServer(network.gateway, relay.target, network.subnet))
        found[relay.name] = f"http://{network.gateway}:{server.port}{relay.path}"
    return found


def _place(engine: Engine, image: Image, name: str, owner: Owner, files: Path, *, with_volume: bool) -> Place:
    passwd, profile = files / "passwd", files / "seccomp.json"
    passwd.write_bytes(read_passwd(engine, image.id, name, owner) + PASSWD_ENTRY.encode())
    passwd.chmod(0o644)
    profile.write_bytes(seccomp.profile())
    return Place(
        name=name,
        label=f"{LABEL}={owner}",
        network=name,
        passwd=passwd,
        seccomp=profile,
        volume=name if with_volume else "",
        host_cpus=os.cpu_count() or 1,
    )


@contextmanager
def _container(
    invocation: Invocation, engine: Engine, image: Image, place: Place, variables: Mapping[str, str], log: Log
) -> Iterator[None]:
    """Made here, started by whoever enters; ended, emptied and removed in any case."""
    folder, created = invocation.run_volume, False
    try:
        run(engine, *arguments(engine, invocation, image, place, variables), env=variables)
        created = True
        if folder:
            volume.put(engine, place.name, folder)
        yield
    finally:
        try:
            if folder and created:
                remove(engine, "kill", place.name)
                volume.fetch(engine, place.name, folder, log.line)
        finally:
            remove(engine, "rm", "--force", "--volumes", place.name)
            if volumes := [*masks(place.name, image), *filter(None, [place.volume])]:
                remove(engine, "volume", "rm", "--force", *volumes)


def _run(
    invocation: Invocation, engine: Engine, sandbox: _Sandbox, stop: threading.Event, log: Log
) -> Response:
    meter = Meter(engine, sandbox.name)
    attached = _Attached(engine, sandbox.name, log, sandbox.api.changed)
    watch = Watch(
        api=sandbox.api,
        timeout=invocation.timeout,
        exited=attached.ended,
        stop=stop,
        terminate=lambda: remove(engine, "kill", "--signal", "TERM", sandbox.name),
        sample=meter.sample,
        slow_start=lambda: log.line(_slow_start(sandbox.network)),
    )
    try:
        ending = watch.until_end()
        ended = time.monotonic()
        if ending == "stopped":
            sandbox.api.close()  # a start that is under way gets no event any more
    finally:
        _kill(engine, sandbox.name, attached.ended)
        attached.close()
    state = _state(engine, sandbox.name) if ending == "exited" else {}
    return answer(Ended(invocation, sandbox.api, ending, watch.started, ended, state, meter.peak), log)


def _kill(engine: Engine, name: str, ended: threading.Event) -> None:
    """Again until it has ended and said its last lines: while its start is under way it cannot be killed."""
    until = time.monotonic() + FLUSH
    while not ended.is_set() and time.monotonic() < until:
        remove(engine, "kill", name)
        ended.wait(KILL_EVERY)


class _Attached:
    """Starts the container with all its output in `log`; `ended` and `changed` are set when it ends."""

    def __init__(self, engine: Engine, name: str, log: Log, changed: threading.Event) -> None:
        self.ended = threading.Event()
        self._process = engine.spawn(
            "start",
            "--attach",
            name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._copy, args=(log, changed), daemon=True).start()

    def close(self) -> None:
        """Also when the client hangs."""
        self._process.kill()

    def _copy(self, log: Log, changed: threading.Event) -> None:
        assert self._process.stdout
        try:
            with self._process.stdout as stream:
                log.copy(stream)
        finally:
            self._process.wait()
            self.ended.set()
            changed.set()


def _state(engine: Engine, name: str) -> Mapping[str, Any]:
    """How the container ended. RunError when it never began: the engine could not start it."""
    state = json.loads(run(engine, "inspect", "--format", "{{json .State}}", name))
    if state["StartedAt"].startswith("0001-"):
        raise RunError(
            "the container could not be started", why=state.get("Error", "") or "see the lines above"
        )
    return dict(state)


def _slow_start(network: Network) -> str:
    return (
        f"lambdactl: the runtime has not asked for its event after 10 s: its start is slow, or a firewall of "
        f"this machine keeps {network.subnet} from {network.gateway}:{PORT}"
    )
