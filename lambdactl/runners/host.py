"""What an engine's machine is, and where a sandbox on it cannot be as in Lambda. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners.owner import PATIENCE
from lambdactl.runners.protocol import Function

MB = 1 << 20
MB_PER_CPU = 1769  # AWS Lambda quotas: one vCPU at 1,769 MB
# Visible CPUs, up to which memory in MB (as seen in Lambda by github.com/rwnx/lambda-cpuinfo)
VISIBLE = ((3008, 2), (5307, 3), (7076, 4), (8845, 5), (10240, 6))
# As Lambda, kernels and engines name them, by the engines' names.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}
# What an engine may be unable to do, and what then is not as in Lambda. By docker's names, and by those of
# the control groups' controllers, as podman lists what it may use.
NO_MEMORY, NO_PIDS = "memory has no limit", "processes have no limit"
NO_CPU = "CPU is not limited to memory's share"
DOCKER = {
    "MemoryLimit": NO_MEMORY,
    "SwapLimit": "memory may swap",
    "PidsLimit": NO_PIDS,
    "CpuCfsQuota": NO_CPU,
}
PODMAN = {"memory": NO_MEMORY, "pids": NO_PIDS, "cpu": NO_CPU}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine that the containers run on, which may be a virtual or a remote one. `memory` in MB."""

    cpus: int
    memory: int
    architecture: str  # as engines name it: amd64, arm64
    lacks: tuple[str, ...] = ()
    seccomp: bool = True

    def tmp_in_memory(self, ephemeral_storage: int) -> bool:
        """Whether /tmp may be a tmpfs: only there its size is exact, but it must not exhaust the machine."""
        return ephemeral_storage <= self.memory // 2


@cache
def host(engine: Engine) -> Host:
    """Asked once for each engine. RunError when it does not answer."""
    done = engine.call("info", "--format", "{{json .}}", timeout=PATIENCE)
    try:
        found = json.loads(done.stdout)
        return _podman(found["host"]) if engine.name == "podman" else _docker(found)
    except (ValueError, KeyError) as broken:
        raise RunError(
            f"{engine.name} info says nothing that lambdactl understands", why=repr(broken)
        ) from None


def differences(host: Host, function: Function, image_architecture: str) -> Iterator[str]:
    """One line for each thing that is not as in Lambda because this engine or machine cannot do it."""
    yield from host.lacks
    if not host.seccomp:
        yield "no system call is denied: the engine has no seccomp"
    if image_architecture != host.architecture:
        yield f"the image is for {image_architecture}, this machine is {host.architecture}: emulated, slow"
    share = function.memory / MB_PER_CPU
    if share > host.cpus:
        yield f"{function.memory} MB come with {share:.1f} CPUs; this machine has {host.cpus}"
    elif (visible := visible_cpus(function.memory)) > host.cpus:
        yield f"{visible} CPUs are seen at {function.memory} MB; this machine has {host.cpus}"
    if not host.tmp_in_memory(function.ephemeral_storage):
        yield f"no limit of /tmp: {function.ephemeral_storage} MB are over half of this machine's memory"
    if function.memory > host.memory:
        yield f"{function.memory} MB of memory are more than this machine's {host.memory}"


def visible_cpus(memory: int) -> int:
    return next((cpus for most, cpus in VISIBLE if memory <= most), VISIBLE[-1][1])


def _docker(found: Mapping[str, Any]) -> Host:
    if not found.get("NCPU"):
        raise KeyError("NCPU")  # its client answers also when the daemon does not
    architecture = found["Architecture"]
    return Host(
        cpus=found["NCPU"],
        memory=found["MemTotal"] // MB,
        architecture=ARCHITECTURES.get(architecture, architecture),
        lacks=tuple(words for name, words in DOCKER.items() if found.get(name) is False),
        seccomp=any("seccomp" in each for each in found.get("SecurityOptions") or ()),
    )


def _podman(found: Mapping[str, Any]) -> Host:
    return Host(
        cpus=found["cpus"],
        memory=found["memTotal"] // MB,
        architecture=found["arch"],
        lacks=tuple(words for name, words in PODMAN.items() if name not in found["cgroupControllers"]),
        seccomp=bool(found.get("security", {}).get("seccompEnabled", True)),
    )
