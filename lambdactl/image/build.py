"""Builds a context into an image of the local engine. Pushes nothing and reads no AWS.

One image for each fingerprint: its tag names its content, so an image that is there is the right one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lambdactl.container import Engine
from lambdactl.deadline import NEVER, Deadline
from lambdactl.errors import BuildError
from lambdactl.image import failure, oci
from lambdactl.image.context import Context
from lambdactl.image.files import write
from lambdactl.image.follow import follow
from lambdactl.image.programs import PROXIES
from lambdactl.manifest.job import Architecture, Settings

ImageId = str  # sha256:...

PLATFORMS: dict[Architecture, str] = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}

# Uncompressed, all layers together. (Lambda quotas, "Container image code package size")
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SIZE_MAX = 10 * 1024**3
LINES_KEPT = 5000  # of a build's output, to say why it failed


def local_ref(project: Settings, fingerprint: str) -> str:
    """The name of an image in the local engine."""
    return f"lambdactl/{project.name}:{fingerprint}"


def find_local(engine: Engine, ref: str) -> ImageId | None:
    """The image's id when the engine has it."""
    done = engine.call("image", "inspect", "--format", "{{.Id}}", ref, check=False)
    image = done.stdout.decode().strip()
    return _with_algorithm(image) if done.returncode == 0 and image else None


def build(
    context: Context,
    engine: Engine,
    tag: str,
    project: Settings,
    on_line: Callable[[str], None],
    deadline: Deadline = NEVER,
) -> ImageId:
    """Build, check against Lambda's limits, and give the image its name. TimeLimit when it takes too long."""
    with tempfile.TemporaryDirectory(prefix="lambdactl-build-") as folder:
        source, iid = Path(folder, "context"), Path(folder, "iid")
        (source / "files").mkdir(parents=True)
        write(context.all_files, source)
        argv = [*_flags(context, engine, project), "--iidfile", str(iid), "--tag", tag, str(source)]
        _stream(engine, argv, on_line, deadline)
        image = _with_algorithm(iid.read_text(encoding="ascii").strip())
    _preflight(context, inspect(engine, image))
    return image


def inspect(engine: Engine, ref: str) -> dict[str, Any]:
    """What the engine says of an image."""
    found = json.loads(engine.call("image", "inspect", ref, error=BuildError).stdout)
    return dict(found[0])


def manifest_of(engine: Engine, ref: str) -> bytes:
    """The stand-in manifest of an image of this engine."""
    image = inspect(engine, ref)
    return stand_in_manifest(_with_algorithm(image["Id"]), image["RootFS"]["Layers"])


def stand_in_manifest(config: str, layers: Sequence[str] = ()) -> bytes:
    """A manifest for an image that is pushed nowhere (the sandbox records it).

    The real one lists compressed layers, which only a push makes; this one lists the same layers by
    the digests of their content, so that equal images have equal manifests. Sizes are not known: 0.
    """
    layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 0}
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 0,
            "digest": config,
        },
        "layers": [{**layer, "digest": digest} for digest in layers],
    }
    return json.dumps(manifest, separators=(",", ":")).encode()


def _flags(context: Context, engine: Engine, project: Settings) -> list[str]:
    flags = ["build", "--platform", PLATFORMS[context.architecture], "--build-arg", f"BASE={context.base}"]
    if engine.buildx:
        # An attestation makes the image an index, which Lambda refuses.
        flags += ["--load", "--provenance=false", "--sbom=false"]
    if engine.name == "docker":
        flags += ["--progress", "plain"]
    elif oci.is_loopback(oci.parse(context.base).host):
        flags += ["--tls-verify=false"]
    if project.build_network:
        flags += ["--network", project.build_network]
    if project.ca_bundle:
        flags += ["--secret", f"id=ca,src={project.ca_bundle}"]
    # Predefined build arguments: their values come from the client's environment and stay in no layer.
    return flags + [part for name in PROXIES if name in os.environ for part in ("--build-arg", name)]


def _stream(engine: Engine, argv: list[str], on_line: Callable[[str], None], deadline: Deadline) -> None:
    env = {name: os.environ[name] for name in PROXIES if name in os.environ}
    process = engine.spawn(
        *argv,
        env={**env, "DOCKER_BUILDKIT": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines: deque[str] = deque(maxlen=LINES_KEPT)

    def take(raw: str) -> None:
        if line := _readable(raw):
            on_line(line)
            lines.append(line)

    if follow(process, take, deadline):  # an interrupt reaches the client too, it is of our process group
        raise BuildError("the image could not be built", why=failure.reason(lines), hint=failure.hint(lines))


def _readable(line: str) -> str:
    """A line of the builder without our mounts; "" for one that holds only a hash."""
    return "" if re.fullmatch(r"#\d+ sha256:[0-9a-f]{64}", line) else re.sub(r"--mount=\S+\s*", "", line)


def _preflight(context: Context, image: dict[str, Any]) -> None:
    """Refuse here what Lambda would refuse after a long push."""
    wanted = PLATFORMS[context.architecture]
    found = f"{image['Os']}/{image['Architecture']}"
    if found != wanted:
        raise BuildError(f"the image is for {found}, the job asks for {wanted}", hint="is baseImage for it?")
    if image["Size"] > SIZE_MAX:
        size = image["Size"] / 1024**3
        raise BuildError(f"the image has {size:.1f} GB uncompressed; Lambda takes 10", hint="bundle less")


def _with_algorithm(image: str) -> ImageId:
    return image if image.startswith("sha256:") else f"sha256:{image}"
