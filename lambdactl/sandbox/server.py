"""The sandbox's daemon: `python -m lambdactl.sandbox.server ROOT`. Commands start it; it starts no other.

One process holds the front, the door for containers, the invoker and the scripted model; the emulator
is its child. Everything listens on loopback. SIGTERM: runs are asked to end, then the emulator saves.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from lambdactl.errors import LambdactlError
from lambdactl.sandbox import ACCOUNT, REGION, SECRET_KEY, Endpoint, session_arguments
from lambdactl.sandbox.emulator import Emulator
from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.front import Front, Layer
from lambdactl.sandbox.functions import Functions
from lambdactl.sandbox.invoke import Invoker, Run
from lambdactl.sandbox.layers import invoke, narrow, programs_only
from lambdactl.sandbox.model import ScriptedModel
from lambdactl.sandbox.run import runner
from lambdactl.sandbox.state import Folder, State
from lambdactl.sandbox.versions import no_versions

ENDS_WITHIN = 45.0  # seconds; another daemon of this project may be about to end


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lambdactl.sandbox.server")
    parser.add_argument("root", type=Path)
    parser.add_argument("--engine", default="")
    parser.add_argument("--real-model", action="store_true")
    given = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = Folder.of(given.root)
    folder.make()
    if not folder.be_alive(ENDS_WITHIN):
        sys.exit("another daemon of this project is up")
    try:
        serve(given.root, given.engine, not given.real_model, stop, sys.stderr.buffer)
    except LambdactlError as error:
        sys.exit(str(error))


def serve(root: Path, engine: str, scripted: bool, stop: threading.Event, log: BinaryIO) -> None:
    """Until `stop` is set, or the emulator ends."""
    folder = Folder.of(root)
    ports = folder.ports()
    with ExitStack() as open_:
        emulator = open_.enter_context(Emulator(folder.emulator, account=ACCOUNT, region=REGION, log=log))
        model = open_.enter_context(_model(ports.get("model", 0))).url if scripted else ""
        # The fronts want the invoker and it wants their addresses: they are bound now, and serve later.
        call: Layer = invoke(lambda request: invoker(request))
        door = Front(emulator.url, [programs_only, narrow(), call])
        front = _front(emulator.url, [programs_only, call, no_versions, Fill()], ports.get("front", 0))
        relays = {"AWS_ENDPOINT_URL": door.port} | ({"LAMBDACTL_MODEL_URL": _port(model)} if model else {})
        invoker = _invoker(front.url, runner(engine, root=root, relays=relays, environment=_credentials()))
        open_.enter_context(door)
        open_.enter_context(front)
        open_.callback(invoker.close)
        folder.remember(ports | {"front": front.port} | ({"model": _port(model)} if model else {}))
        folder.write(
            State(
                pid=os.getpid(),
                started=_now(),
                url=front.url,
                door_url=door.url,
                model_url=model,
                engine=engine,
            )
        )
        open_.callback(folder.forget)
        while emulator.alive() and not stop.wait(0.2):
            pass


def _front(upstream: str, layers: list[Layer], port: int) -> Front:
    try:
        return Front(upstream, layers, port=port)
    except OSError:  # somebody else has the port of the last time
        return Front(upstream, layers)


def _model(port: int) -> ScriptedModel:
    try:
        return ScriptedModel(port=port)
    except OSError:
        return ScriptedModel()


def _invoker(url: str, run: Run) -> Invoker:
    import boto3

    session = boto3.Session(**session_arguments(Endpoint(url=url)))

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=url)

    return Invoker(Functions(client("lambda"), client("ecr")), client("logs"), run)


def _credentials() -> dict[str, str]:
    """What Lambda would set of the function's role; the emulator looks at none of it."""
    return {
        "AWS_ACCESS_KEY_ID": "ASIASANDBOXSANDBOX00",
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


if __name__ == "__main__":
    main()
