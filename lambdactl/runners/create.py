"""How a container is made to be as narrow as Lambda's sandbox: the arguments of `create`. Pure.

Known not to be exact yet: /tmp is memory here, so the memory limit is that of the two together, and
a job is killed for memory later than in Lambda as long as /tmp has room.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.manifest.job import Architecture
from lambdactl.runners.owner import PATIENCE
from lambdactl.runners.protocol import RUN_VOLUME, Invocation

UID, GID = 993, 990
PASSWD_ENTRY = f"sbx_user1051:x:{UID}:{GID}::/home/sbx_user1051:/sbin/nologin\n"
MB_PER_CPU = 1769  # AWS Lambda quotas: one vCPU at 1,769 MB
PIDS = 1024
USER_PROCESSES = 16384
NOT_IN_LAMBDA = ("HOME", "HOSTNAME", "USER", "TERM", "container")  # engines set some of these
ENGINE_ARCHITECTURES: Mapping[Architecture, str] = {"x86_64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What of an image's configuration Lambda honours, and what it does not and must be undone."""

    id: str
    architecture: str  # as engines name it: amd64, arm64
    command: tuple[str, ...]  # entry point and command
    handler: str  # the first word of the command, as _HANDLER
    environment: Mapping[str, str]
    volumes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was made for this one run. `volume` is "" without /mnt/run."""

    name: str
    label: str
    network: str
    passwd: Path
    seccomp: Path
    volume: str
    host_cpus: int


def read_image(engine: Engine, invocation: Invocation) -> Image:
    """RunError when the engine does not have it, or it is for another architecture."""
    done = engine.call("image", "inspect", invocation.image, check=False, timeout=PATIENCE)
    if done.returncode:
        raise RunError(f"{engine.name} has no image {invocation.image}", hint="`lambdactl build` makes it")
    image = _image(json.loads(done.stdout)[0])
    wanted = ENGINE_ARCHITECTURES[invocation.architecture]
    if image.architecture != wanted:
        raise RunError(
            f"the image is for {image.architecture}, the function for {wanted}", where=invocation.image
        )
    if not image.command:
        raise RunError("the image has neither entry point nor command", where=invocation.image)
    return image


def arguments(
    engine: Engine, invocation: Invocation, image: Image, place: Place, names: Iterable[str]
) -> list[str]:
    """For the engine: `create` and all after it. Of the environment only `names`: values go another way."""
    unset = [part for name in NOT_IN_LAMBDA if name not in image.environment for part in ("-u", name)]
    return [
        "create",
        "--name", place.name,
        "--label", place.label,
        "--pull", "never",
        "--network", place.network,
        "--log-driver", "none",
        "--no-healthcheck",
        *_filesystem(engine, invocation, image, place),
        *_limits(engine, invocation, place.host_cpus),
        *_privileges(place),
        *(part for name in sorted(names) for part in ("--env", name)),
        "--entrypoint", "/usr/bin/env",
        image.id,
        *unset,
        *image.command,
    ]  # fmt: skip


def _filesystem(engine: Engine, invocation: Invocation, image: Image, place: Place) -> list[str]:
    found = [
        "--read-only",
        "--tmpfs", f"/tmp:rw,exec,nosuid,nodev,size={invocation.ephemeral_storage}m,mode=1777",  # noqa: S108 - the container's
        "--volume", f"{place.passwd}:/etc/passwd:ro",
        "--ipc", "none",
    ]  # fmt: skip
    mounted = {"/tmp"}  # noqa: S108
    if place.volume:
        found += ["--mount", f"type=volume,src={place.volume},dst={RUN_VOLUME}"]
        mounted.add(RUN_VOLUME)
    # Engines make an image's VOLUMEs writable even on a read-only root; Lambda ignores them.
    masked = [path for path in image.volumes if path.rstrip("/") not in mounted]
    for path, volume in zip(masked, masks(place.name, image), strict=False):
        found += ["--mount", f"type=volume,src={volume},dst={path},ro"]
    if engine.name == "podman":
        found += ["--read-only-tmpfs=false", "--http-proxy=false"]
    return found


def masks(name: str, image: Image) -> list[str]:
    """The volumes that stand where the image has its own. Named: an engine refuses others read-only."""
    return [f"{name}-{number}" for number in range(len(image.volumes))]


def _limits(engine: Engine, invocation: Invocation, host_cpus: int) -> list[str]:
    memory = f"{invocation.memory + invocation.ephemeral_storage}m"
    cpus = min(invocation.memory / MB_PER_CPU, host_cpus)
    return [
        "--memory", memory,
        "--memory-swap", memory,
        "--cpus", f"{cpus:.2f}",
        "--pids-limit", str(PIDS),
        "--ulimit", "nofile=1024:1024",
        # podman's own default may be above what it is allowed. Of all of a user's processes on the
        # machine, so this is not the limit that counts: that is --pids-limit.
        *(("--ulimit", f"nproc={USER_PROCESSES}:{USER_PROCESSES}") if engine.name == "podman" else ()),
    ]  # fmt: skip


def _privileges(place: Place) -> list[str]:
    return [
        "--user", f"{UID}:{GID}",
        "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges",
        "--security-opt", f"seccomp={place.seccomp}",
    ]  # fmt: skip


def _image(found: Mapping[str, Any]) -> Image:
    config = found.get("Config") or {}
    command = tuple(config.get("Cmd") or ())
    return Image(
        id=found["Id"],
        architecture=found["Architecture"],
        command=(*(config.get("Entrypoint") or ()), *command),
        handler=command[0] if command else "",
        environment=dict(item.partition("=")[::2] for item in config.get("Env") or ()),
        volumes=tuple(sorted(config.get("Volumes") or ())),
    )
