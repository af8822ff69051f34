"""Runs a function in containers, as Lambda would, on this machine's engine. Leaves nothing behind.

The unmodified image talks to a Runtime API served by this process, over a bridge network made for the
sandbox (`network` has the two ways; docs/design.md). Whatever ends it, also an exception, its containers,
network and volumes go; what a SIGKILL of this process leaves, the next run removes. Signals are the
caller's business: a soft stop is `stop`, KeyboardInterrupt kills.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners import seccomp
from lambdactl.runners.create import (
    Image,
    Place,
    holder_arguments,
    holder_name,
    read_image,
    tmp_volume,
    volumes,
)
from lambdactl.runners.environment import check, environment
from lambdactl.runners.folders import sweep_folders, throwaway
from lambdactl.runners.host import differences, host
from lambdactl.runners.log import Log
from lambdactl.runners.memory import measurable
from lambdactl.runners.network import TRANSPORT, Network
from lambdactl.runners.network import opened as opened_network
from lambdactl.runners.owner import LABEL, PATIENCE, Owner, remove, run, sweep
from lambdactl.runners.protocol import Function, Invocation, Relay, Response
from lambdactl.runners.relay import RelayServer
from lambdactl.runners.runtime_api import RuntimeApi
from lambdactl.runners.runtime_server import PORT, RuntimeServer
from lambdactl.runners.sandbox import Sandbox
from lambdactl.runners.tunnel import Tunnel
from lambdactl.runners.users import write_users

__all__ = ["Function", "Invocation", "Relay", "Response", "Sandbox", "invoke", "opened", "sweep"]

UNMEASURED = "the limit of memory includes /tmp, and its peak is not known: its control group cannot be read"
EXTENSIONS = "the image's extensions (/opt/extensions) are not started"
LOST = "lambdactl: the container that carries the sandbox's connections ended"


def invoke(
    function: Function,
    invocation: Invocation,
    engine: Engine,
    on_line: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Response:
    """One event in a sandbox of its own; see `Sandbox.invoke`."""
    with opened(function, engine, on_line) as sandbox:
        return sandbox.invoke(invocation, stop)


@contextmanager
def opened(
    function: Function, engine: Engine, on_line: Callable[[str], None], *, strict: bool = False
) -> Iterator[Sandbox]:
    """A sandbox without a runtime yet. RunError when there can be none; with `strict` also when this engine
    or machine cannot do something as Lambda does, which else is a line of the log."""
    check(function.environment)
    image = read_image(engine, function)
    log = Log(on_line, function.log_format)
    _tell(differences(host(engine), function, image.architecture), log, strict=strict)
    sweeping = threading.Thread(target=_sweep, args=(engine,), daemon=True)
    sweeping.start()
    try:
        with _sandbox(function, engine, image, log, strict=strict) as sandbox:
            yield sandbox
    finally:
        sweeping.join()


def _sweep(engine: Engine) -> None:
    sweep(engine)
    sweep_folders()


def _tell(found: Iterable[str], log: Log, *, strict: bool) -> None:
    """What is not as in Lambda."""
    lines = list(found)
    if strict and lines:
        raise RunError("not as in Lambda", why="; ".join(lines), hint="run it without --strict")
    for line in lines:
        log.line(f"lambdactl: not as in Lambda: {line}")


@contextmanager
def _sandbox(
    function: Function, engine: Engine, image: Image, log: Log, *, strict: bool
) -> Iterator[Sandbox]:
    owner = Owner.this()
    name = owner.new_name()
    token = secrets.token_hex(16)
    made: list[Sandbox] = []

    def lost(why: str) -> None:
        log.line(f"{LOST}: {why}")
        for sandbox in made:
            sandbox.cut_off()

    with ExitStack() as stack:
        network = stack.enter_context(opened_network(engine, name, owner))
        files = stack.enter_context(throwaway(name))
        place = Place(
            name=name,
            label=f"{LABEL}={owner}",
            network=name,
            passwd=files / "passwd",
            group=files / "group",
            seccomp=files / "seccomp.json",
            tmp=f"{name}-tmp",
            run_volume=f"{name}-run" if function.run_volume else "",
            host=host(engine),
            holder_address=network.address if network.transport == "sidecar" else "",
        )
        place.seccomp.write_bytes(seccomp.profile())
        tunnel = stack.enter_context(_held(engine, function, image, place, lost))
        server = _serve(stack, network, tunnel)  # from here on the holder runs
        if not place.host.tmp_in_memory(function.ephemeral_storage):
            _open_tmp(engine, place)
        _tell(_seen_from_within(engine, holder_name(place)), log, strict=strict)
        relayed = _relays(stack, function.relays, network, tunnel)
        variables = environment(
            function,
            runtime_api=f"{network.address}:{PORT}",
            handler=image.handler,
            image=image.environment,
            metadata_token=token,
        )
        sandbox = Sandbox(
            engine=engine,
            function=function,
            image=image,
            place=place,
            server=server,
            variables={**variables, **relayed},
            metadata_token=token,
            log=log,
        )
        stack.callback(sandbox.close)
        made.append(sandbox)
        yield sandbox


def _serve(stack: ExitStack, network: Network, tunnel: Tunnel | None) -> RuntimeServer:
    if tunnel:
        server = stack.enter_context(RuntimeServer(RuntimeApi()))
        tunnel.serve(PORT, server)
        return server
    try:
        return stack.enter_context(RuntimeServer(RuntimeApi(), (network.address, PORT), network.subnet))
    except OSError as refused:
        raise RunError(
            f"the Lambda Runtime API cannot be served at {network.address}:{PORT}",
            why=str(refused),
            hint=f"{TRANSPORT}=sidecar needs no port of this machine",
        ) from None


def _relays(
    stack: ExitStack, relays: tuple[Relay, ...], network: Network, tunnel: Tunnel | None
) -> dict[str, str]:
    """The variables that point to them."""
    found = {}
    for relay in relays:
        if tunnel:
            port = tunnel.serve(0, stack.enter_context(RelayServer(None, relay.target)))
        else:
            server = RelayServer(network.address, relay.target, network.subnet)
            port = stack.enter_context(server).port
        found[relay.name] = f"http://{network.address}:{port}{relay.path}"
    return found


@contextmanager
def _held(
    engine: Engine, function: Function, image: Image, place: Place, lost: Callable[[str], None]
) -> Iterator[Tunnel | None]:
    """The volumes, and a container that keeps them mounted; gone with all that was put there.

    Where the servers of this process cannot listen for the sandbox, the way to them.
    """
    holder = holder_name(place)
    try:
        run(engine, *tmp_volume(engine, function, place))
        run(engine, *holder_arguments(engine, image, place))
        write_users(engine, holder, place.passwd, place.group)
        if place.holder_address:
            with closing(Tunnel(engine, holder, lost)) as tunnel:
                yield tunnel
        else:
            run(engine, "start", holder)
            yield None
    finally:
        remove(engine, "rm", "--force", "--volumes", holder)
        remove(engine, "volume", "rm", "--force", *volumes(place, image))


def _seen_from_within(engine: Engine, holder: str) -> Iterator[str]:
    """What is not as in Lambda, as the holder shows."""
    listed = engine.call(
        "exec", holder, "/bin/sh", "-c", "ls -A /opt/extensions", check=False, timeout=PATIENCE
    )
    if listed.returncode == 0 and listed.stdout.strip():
        yield EXTENSIONS
    if not measurable(engine, holder):
        yield UNMEASURED


def _open_tmp(engine: Engine, place: Place) -> None:
    """A tmpfs is made with its mode; a folder of the engine's disk is root's alone."""
    chmod = ("/usr/bin/env", "chmod", "1777", "/tmp")  # noqa: S108 - the container's
    run(engine, "exec", "--user", "0:0", holder_name(place), *chmod)
