"""How a container is made to be as narrow as Lambda's sandbox: the arguments of `create`. Pure.

/tmp is memory here, so the group's limit is that of the two together; `memory` holds the function to
its own part of it.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners import holder_script
from lambdactl.runners.host import ARCHITECTURES, MB_PER_CPU, Host, visible_cpus
from lambdactl.runners.owner import PATIENCE
from lambdactl.runners.protocol import RUN_VOLUME, Function
from lambdactl.runners.users import GID, UID

PIDS = 1024
# As recorded in Lambda (LocalStack's snapshots, November 2024). Of NPROC 742 was seen once, AWS's quotas
# say 1,024: and it counts a user's processes on the whole machine, so here it is --pids-limit.
ULIMITS = ("nofile=1024:1024", "core=10737418240:10737418240", "stack=8388608:-1", "memlock=65536:65536")
USER_PROCESSES = 16384
HOLDER_MEMORY = "64m"
FOREVER = 2**31 - 1  # seconds
PYTHON = re.compile(r"python3?(\.\d+)?")
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes: the block of a tmpfs
NOT_IN_LAMBDA = ("HOME", "HOSTNAME", "USER", "TERM", "container")  # engines set some of these


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
    """What was made for one sandbox. `run_volume` is "" without /mnt/run."""

    name: str
    label: str
    network: str
    passwd: Path
    group: Path
    seccomp: Path
    tmp: str  # the volume at /tmp, which outlives a runtime that is killed
    run_volume: str
    host: Host
    holder_address: str = ""  # where the holder listens for the runtimes; "" where this process does itself


def read_image(engine: Engine, function: Function) -> Image:
    """RunError when the engine does not have it, or it is for another architecture."""
    done = engine.call("image", "inspect", function.image, check=False, timeout=PATIENCE)
    if done.returncode:
        raise RunError(f"{engine.name} has no image {function.image}", hint="`lambdactl build` makes it")
    image = _image(json.loads(done.stdout)[0])
    wanted = ARCHITECTURES[function.architecture]
    if image.architecture != wanted:
        raise RunError(
            f"the image is for {image.architecture}, the function for {wanted}", where=function.image
        )
    if not image.command:
        raise RunError("the image has neither entry point nor command", where=function.image)
    return image


def arguments(
    engine: Engine,
    function: Function,
    image: Image,
    place: Place,
    name: str,
    names: Iterable[str],
    *,
    command: Sequence[str] = (),
    tty: bool | None = None,
) -> list[str]:
    """For the engine: `create` and all after it. Of the environment only `names`: values go another way.

    `command` stands in for the image's own; `tty` is None for a container without standard input.
    """
    unset = [part for each in NOT_IN_LAMBDA if each not in image.environment for part in ("-u", each)]
    return [
        "create",
        *_common(place, name),
        "--network", place.network,
        *(("--interactive",) if tty is not None else ()),
        *(("--tty",) if tty else ()),
        *_filesystem(engine, image, place),
        *_limits(engine, function, place.host),
        *_privileges(place),
        *(part for each in sorted(names) for part in ("--env", each)),
        "--entrypoint", "/usr/bin/env",
        image.id,
        *unset,
        *(command or image.command),
    ]  # fmt: skip


def holder_name(place: Place) -> str:
    return f"{place.name}-holder"


def holder_arguments(engine: Engine, image: Image, place: Place) -> list[str]:
    """A container that waits for as long as the sandbox lives: a tmpfs lives while it is mounted.

    With an address it carries connections meanwhile (`tunnel`), and ends with its standard input.
    """
    carries = place.holder_address
    network = (
        ["--network", place.network, "--ip", carries, "--interactive"] if carries else ["--network", "none"]
    )
    program, *words = _carrying(image, carries) if carries else ("/usr/bin/env", "sleep", str(FOREVER))
    return [
        "create",
        *_common(place, holder_name(place)),
        *network,
        "--workdir", "/",
        "--read-only",
        *_podmans(engine),
        "--volume", f"{place.tmp}:/tmp:nocopy",
        *_run_volume(place),
        "--memory", HOLDER_MEMORY,
        "--memory-swap", HOLDER_MEMORY,
        "--pids-limit", "16",
        *_ulimits(engine, ULIMITS[:1]),
        *_privileges(place),
        "--entrypoint", program,
        image.id,
        *words,
    ]  # fmt: skip


def _carrying(image: Image, address: str) -> list[str]:
    """The script is an argument, so that it needs no file there; it holds no secret."""
    return [*python(image), "-c", inspect.getsource(holder_script), address]


def python(image: Image) -> list[str]:
    """The image's own, without what a function's files and environment would do to it."""
    first = image.command[0]
    found = [first] if PYTHON.fullmatch(PurePosixPath(first).name) else ["/usr/bin/env", "python3"]
    return [*found, "-I", "-S"]


def volumes(place: Place, image: Image) -> list[str]:
    """All that a sandbox has, by name."""
    return [place.tmp, *filter(None, [place.run_volume]), *masks(place.name, image)]


def tmp_volume(engine: Engine, function: Function, place: Place) -> list[str]:
    """For the engine: makes the volume at /tmp, of exactly the declared size where it can be in memory."""
    made = ["volume", "create", "--label", place.label]
    if not place.host.tmp_in_memory(function.ephemeral_storage):
        return [*made, place.tmp]
    # podman takes no size of a tmpfs, but passes on what it does not know itself.
    size = (
        f"size={function.ephemeral_storage}m"
        if engine.name == "docker"
        else f"nr_blocks={function.ephemeral_storage * (1 << 20) // PAGE}"
    )
    options = ("type=tmpfs", "device=tmpfs", f"o={size},mode=1777,nosuid,nodev")
    return [*made, "--driver", "local", *(part for each in options for part in ("--opt", each)), place.tmp]


def _common(place: Place, name: str) -> list[str]:
    return [
        "--name", name,
        "--label", place.label,
        "--pull", "never",
        "--log-driver", "none",
        "--no-healthcheck",
        "--stop-timeout", "0",  # podman's `rm --force` would wait for it
    ]  # fmt: skip


def _filesystem(engine: Engine, image: Image, place: Place) -> list[str]:
    found = [
        "--read-only",
        *_podmans(engine),
        "--volume", f"{place.tmp}:/tmp:nocopy",
        "--volume", f"{place.passwd}:/etc/passwd:ro",
        "--volume", f"{place.group}:/etc/group:ro",
        "--ipc", "none",
        *_run_volume(place),
    ]  # fmt: skip
    mounted = {"/tmp", RUN_VOLUME} if place.run_volume else {"/tmp"}  # noqa: S108 - the container's
    # Engines make an image's VOLUMEs writable even on a read-only root; Lambda ignores them.
    masked = [path for path in image.volumes if path.rstrip("/") not in mounted]
    for path, volume in zip(masked, masks(place.name, image), strict=False):
        found += ["--mount", f"type=volume,src={volume},dst={path},ro"]
    return found


def masks(name: str, image: Image) -> list[str]:
    """The volumes that stand where the image has its own. Named: an engine refuses others read-only."""
    return [f"{name}-{number}" for number in range(len(image.volumes))]


def _run_volume(place: Place) -> list[str]:
    return ["--mount", f"type=volume,src={place.run_volume},dst={RUN_VOLUME}"] if place.run_volume else []


def _podmans(engine: Engine) -> list[str]:
    """What podman does unasked."""
    return ["--read-only-tmpfs=false", "--http-proxy=false"] if engine.name == "podman" else []


def _limits(engine: Engine, function: Function, host: Host) -> list[str]:
    tmp = function.ephemeral_storage if host.tmp_in_memory(function.ephemeral_storage) else 0
    memory = f"{function.memory + tmp}m"
    return [
        "--memory", memory,
        "--memory-swap", memory,
        "--cpus", f"{min(function.memory / MB_PER_CPU, host.cpus):.2f}",
        *_cpuset(function, host),
        "--pids-limit", str(PIDS),
        *_ulimits(engine, ULIMITS),
    ]  # fmt: skip


def _cpuset(function: Function, host: Host) -> list[str]:
    """As many CPUs to see as in Lambda; which ones, differs from process to process."""
    visible = visible_cpus(function.memory)
    if visible >= host.cpus:
        return []
    first = os.getpid() % (host.cpus - visible + 1)
    return ["--cpuset-cpus", f"{first}-{first + visible - 1}"]


def _ulimits(engine: Engine, limits: Iterable[str]) -> list[str]:
    # podman's own default for nproc may be above what it is allowed.
    more = (f"nproc={USER_PROCESSES}:{USER_PROCESSES}",) if engine.name == "podman" else ()
    return [part for each in (*limits, *more) for part in ("--ulimit", each)]


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
