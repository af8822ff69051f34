"""A small real image with awslambdaric, and ways to invoke it."""

from __future__ import annotations

import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseRequestHandler
from typing import Any

import pytest

from lambdactl.container import Engine
from lambdactl.image.programs import PROXIES
from lambdactl.runners import folders, local, network, seccomp
from lambdactl.runners.bridge import BridgeServer
from lambdactl.runners.create import Image, Place, holder_name, read_image
from lambdactl.runners.host import host
from lambdactl.runners.owner import LABEL, PREFIX, Owner
from lambdactl.runners.protocol import Function, Invocation, Response
from lambdactl.runners.tunnel import Tunnel
from tests.support import require
from tests.support.engine import CA_BUNDLE, ENGINES, base_tag, engine, needed

__all__ = ["base_tag", "engine"]

FUNCTIONS = Path(__file__).with_name("functions.py")
DOCKERFILE = """\
FROM {base}
RUN --mount=type=secret,id=ca,target=/run/ca.crt \\
    python3 -m venv /opt/venv && PIP_CERT=/run/ca.crt /opt/venv/bin/pip install -q awslambdaric==4.2.2
RUN mkdir /var/cache/masked && echo kept > /var/cache/masked/kept && chmod 1777 /var/cache/masked
RUN mkdir -p /mnt/run && chmod 1777 /mnt/run
VOLUME /var/cache/masked
COPY functions.py /var/task/functions.py
ENV OF_THE_IMAGE=given
USER nobody
EXPOSE 8080
HEALTHCHECK --interval=1s CMD touch /tmp/healthcheck
WORKDIR /var/task
ENTRYPOINT ["/opt/venv/bin/python", "-m", "awslambdaric"]
CMD ["functions.handle"]
"""
ARN = "arn:aws:lambda:us-east-1:000000000000:function:demo-main-test"


@pytest.fixture(scope="session")
def image(engine: Engine, base_tag: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its layers stay in the engine's cache, so only the first session of a machine waits."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base_tag))
    shutil.copy(FUNCTIONS, folder)
    tag = f"lambdactl-test-runner:{uuid.uuid4().hex}"
    proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
    flags = [part for name in proxies for part in ("--build-arg", name)]
    flags += ["--load", "--provenance=false", "--sbom=false"] if engine.buildx else []
    secret = f"id=ca,src={CA_BUNDLE}"
    argv = ["build", "--network", "host", "--secret", secret, *flags, "--tag", tag, str(folder)]
    engine.call(*argv, env={**proxies, "DOCKER_BUILDKIT": "1"}, timeout=300)
    yield tag
    engine.call("rmi", tag, check=False)


@dataclass
class Runner:
    """Invokes the test image, and keeps the lines that came."""

    engine: Engine
    image: str
    lines: list[str] = field(default_factory=list)

    def __call__(self, do: str, stop: threading.Event | None = None, **options: Any) -> Response:
        function, invocation = self.made(do, **options)
        return local.invoke(function, invocation, self.engine, self.lines.append, stop)

    @contextmanager
    def sandbox(self, **options: Any) -> Iterator[Callable[..., Response]]:
        """One for several events: call it as the runner itself, and with `keep` for another event."""
        function, _ = self.made("", **options)
        with local.opened(function, self.engine, self.lines.append) as opened:

            def invoke(
                do: str, stop: threading.Event | None = None, keep: bool = True, **more: Any
            ) -> Response:
                return opened.invoke(self.made(do, **more)[1], stop, keep=keep)

            yield invoke

    def made(self, do: str, **options: Any) -> tuple[Function, Invocation]:
        """`options` are fields of either, or of the event."""
        folder = options.get("run_folder")
        of_function: dict[str, Any] = {
            "image": self.image,
            "name": "demo-main-test",
            "arn": ARN,
            "memory": 512,
            "timeout": 20,
            "ephemeral_storage": 64,
            "architecture": "arm64" if os.uname().machine == "aarch64" else "x86_64",
            "environment": {},
            "log_format": "Text",
            "run_volume": folder is not None,
            "relays": (),
        }
        of_function |= {name: options.pop(name) for name in of_function if name in options}
        given: dict[str, Any] = {
            name: options.pop(name)
            for name in ("request_id", "run_folder", "trace_id", "client_context")
            if name in options
        }
        event = json.dumps({"do": do, **options}).encode()
        invocation = {"event": event, "request_id": str(uuid.uuid4()), **given}
        return Function(**of_function), Invocation(**invocation)

    def left_behind(self) -> list[str]:
        """What runs of this process left in the engine."""
        listings = (["ps", "--all", "--format", "{{.Names}}"], ["network", "ls", "--format", "{{.Name}}"],
                    ["volume", "ls", "--format", "{{.Name}}"])  # fmt: skip
        mine = f"{PREFIX}-{Owner.this()}-"
        found = [name for each in listings for name in self.engine.call(*each).stdout.decode().split()]
        return [name for name in found if name.startswith(mine)]


@contextmanager
def variant(runner: Runner, *changes: str, opt: Path | None = None) -> Iterator[str]:
    """The runner's image with these instructions added, as ENTRYPOINT, and this in /opt; gone afterwards."""
    call, name = runner.engine.call, f"lambdactl-test-variant:{uuid.uuid4().hex}"
    container = call("create", runner.image).stdout.decode().strip()
    try:
        if opt:
            call("cp", str(opt), f"{container}:/opt")
        call("commit", *(part for each in changes for part in ("--change", each)), container, name)
        yield name
    finally:
        call("rm", "--force", "--volumes", container, check=False)
        call("rmi", "--force", name, check=False)


@pytest.fixture
def runner(engine: Engine, image: str) -> Iterator[Runner]:
    made = Runner(engine, image)
    yield made
    assert made.left_behind() == []


@pytest.fixture(scope="module", params=ENGINES)
def on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Each engine in turn; what a test that uses it checks, is checked on both."""
    found = needed(request.param)
    with pytest.MonkeyPatch.context() as environment:
        if found.name == "podman":
            _as_root(found)
            if shutil.which("runc"):  # crun, podman's default, does without cgroup v1
                settings = tmp_path_factory.mktemp("podman") / "containers.conf"
                settings.write_text('[engine]\nruntime = "runc"\n')
                environment.setenv("CONTAINERS_CONF", str(settings))
        yield found


@pytest.fixture(scope="session")
def copies(
    engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Engine], str]]:
    """The test image, by the name that an engine has for it. Brought there once."""
    names = {engine.name: image}
    taken: list[tuple[Engine, str]] = []

    def copy(other: Engine) -> str:
        if other.name not in names:
            file = tmp_path_factory.mktemp("copy") / "image.tar"
            engine.call("save", "--output", str(file), image, timeout=120)
            loaded = other.call("load", "--quiet", "--input", str(file), timeout=120).stdout
            file.unlink()
            names[other.name] = loaded.decode().split()[-1]
            taken.append((other, names[other.name]))
        return names[other.name]

    yield copy
    for other, name in taken:
        other.call("rmi", "--force", name, check=False)


def _as_root(podman: Engine) -> None:
    rootless = podman.call("info", "--format", "{{.Host.Security.Rootless}}").stdout.strip() == b"true"
    if rootless:
        require.missing("podman as root", "its rootless bridges are not on this machine")


@contextmanager
def held(runner: Runner, image: Image | None = None) -> Iterator[tuple[Tunnel, str]]:
    """A sandbox's holder that carries connections, and its container's name."""
    engine, owner = runner.engine, Owner.this()
    function, _ = runner.made("")
    with (
        network.opened(engine, owner.new_name(), owner) as net,
        folders.throwaway(net.name) as folder,
    ):
        place = Place(
            name=net.name,
            label=f"{LABEL}={owner}",
            network=net.name,
            passwd=folder / "passwd",
            group=folder / "group",
            seccomp=folder / "seccomp.json",
            tmp=f"{net.name}-tmp",
            run_volume="",
            host=host(engine),
            holder_address=net.address,
        )
        place.seccomp.write_bytes(seccomp.profile())
        with (
            local._held(
                engine, function, image or read_image(engine, function), place, runner.lines.append
            ) as tunnel,
            BridgeServer(None, BaseRequestHandler) as server,
        ):
            assert tunnel
            assert tunnel.serve(9001, server) == 9001
            yield tunnel, holder_name(place)
