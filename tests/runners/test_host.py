"""What an engine says of its machine, and what then is not as in Lambda."""

from __future__ import annotations

import errno
import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners import create, local, memory, network
from lambdactl.runners.host import Host, differences, host, visible_cpus
from lambdactl.runners.owner import Owner
from lambdactl.runners.protocol import Function
from tests.runners.conftest import Runner

LARGE = Host(cpus=16, memory=65_536, architecture="amd64")
FUNCTION = Function(
    image="image",
    name="demo-main-test",
    arn="arn:aws:lambda:us-east-1:000000000000:function:demo-main-test",
    memory=1769,
    timeout=3,
    ephemeral_storage=512,
    architecture="x86_64",
    environment={},
)
DOCKER = {
    "NCPU": 8,
    "MemTotal": 16 << 30,
    "Architecture": "aarch64",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "MemoryLimit": True,
    "SwapLimit": False,
    "PidsLimit": True,
    "CpuCfsQuota": True,
}
PODMAN = {
    "host": {
        "cpus": 2,
        "memTotal": 8 << 30,
        "arch": "arm64",
        "cgroupControllers": ["memory", "pids"],
        "security": {"seccompEnabled": False},
    }
}


def engine(tmp_path: Path, name: Any, answer: str) -> Engine:
    """A client that says this of its machine."""
    (tmp_path / "info").write_text(answer)
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/info\n")
    program.chmod(0o755)
    return Engine(name=name, executable=str(program))


def test_docker_s_machine(tmp_path: Path) -> None:
    found = host(engine(tmp_path, "docker", json.dumps(DOCKER)))
    assert found == Host(cpus=8, memory=16_384, architecture="arm64", lacks=("memory may swap",))


def test_podman_s_machine(tmp_path: Path) -> None:
    found = host(engine(tmp_path, "podman", json.dumps(PODMAN)))
    lacks = ("CPU is not limited to memory's share",)
    assert found == Host(cpus=2, memory=8192, architecture="arm64", lacks=lacks, seccomp=False)


@pytest.mark.parametrize("answer", ["", "{}", json.dumps({**DOCKER, "NCPU": 0})])
def test_an_engine_that_does_not_say(tmp_path: Path, answer: str) -> None:
    with pytest.raises(RunError, match="docker info says nothing"):
        host(engine(tmp_path, "docker", answer))


def test_a_machine_that_can_do_it_all_differs_in_nothing() -> None:
    assert list(differences(LARGE, FUNCTION, "amd64")) == []


@pytest.mark.parametrize(
    ("changes", "function", "image", "said"),
    [
        ({"lacks": ("memory may swap",)}, {}, "amd64", "memory may swap"),
        ({"seccomp": False}, {}, "amd64", "no system call is denied"),
        ({}, {}, "arm64", "the image is for arm64, this machine is amd64: emulated"),
        ({"cpus": 1}, {"memory": 3538}, "amd64", "3538 MB come with 2.0 CPUs; this machine has 1"),
        ({"cpus": 1}, {"memory": 1024}, "amd64", "2 CPUs are seen at 1024 MB; this machine has 1"),
        ({"memory": 8192}, {"ephemeral_storage": 4097}, "amd64", "no limit of /tmp: 4097 MB"),
        ({"memory": 1024}, {}, "amd64", "1769 MB of memory are more than this machine's 1024"),
    ],
)
def test_each_thing_that_a_machine_cannot_do_is_said(
    changes: dict[str, Any], function: dict[str, Any], image: str, said: str
) -> None:
    (line,) = differences(replace(LARGE, **changes), replace(FUNCTION, **function), image)
    assert line.startswith(said)


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_a_tmp_too_large_for_the_machine_is_no_memory() -> None:
    docker = Engine(name="docker", executable="docker")
    small, large = replace(LARGE, memory=1024), LARGE
    assert option(create._limits(docker, FUNCTION, large), "--memory") == f"{1769 + 512}m"
    too_much = replace(FUNCTION, ephemeral_storage=513)
    assert option(create._limits(docker, too_much, small), "--memory") == "1769m"


@pytest.mark.parametrize(("memory", "cpus"), [(128, 2), (3008, 2), (3009, 3), (7076, 4), (8846, 6)])
def test_as_many_cpus_are_seen_as_in_lambda(memory: int, cpus: int) -> None:
    assert visible_cpus(memory) == cpus
    function = replace(FUNCTION, memory=memory)
    docker = Engine(name="docker", executable="docker")
    first, _, last = option(create._limits(docker, function, LARGE), "--cpuset-cpus").partition("-")
    assert 0 <= int(first) <= int(last) < LARGE.cpus
    assert int(last) - int(first) + 1 == cpus
    assert "--cpuset-cpus" not in create._limits(docker, function, replace(LARGE, cpus=2))


def _claimed(address: str) -> socket.socket | None:
    """Once no run of another test has it, which may have taken it since it was given back."""
    end = time.monotonic() + 60
    while True:
        try:
            return network._claim(address)
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_subnet_is_claimed_before_its_bridge_is_up(runner: Runner) -> None:
    """Whichever engine is about to make one there: the next run takes another."""
    owner = Owner.this()
    with network.opened(runner.engine, owner.new_name(), owner) as taken:
        address = str(taken.subnet[1])
        with pytest.raises(OSError) as refused:  # noqa: PT011 - its number is looked at
            network._claim(address)
        assert refused.value.errno == errno.EADDRINUSE
    free = _claimed(address)  # given back with the network
    assert free
    try:
        with network.opened(runner.engine, owner.new_name(), owner) as other:
            assert other.subnet != taken.subnet
    finally:
        free.close()


def test_memory_that_cannot_be_measured_is_said_and_strict_refuses_it(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where the engine is on another machine: no process here is the container's."""
    monkeypatch.setattr(network, "_may_be_here", lambda engine: False)
    assert runner("echo").function_error == ""
    assert not any(line.startswith("lambdactl: not as in Lambda") for line in runner.lines)
    monkeypatch.setattr(memory, "PROC", tmp_path)
    assert runner("echo").function_error == ""
    assert f"lambdactl: not as in Lambda: {local.UNMEASURED}" in runner.lines
    function, _ = runner.made("echo")
    with (
        pytest.raises(RunError, match="control group cannot be read"),
        local.opened(function, runner.engine, runner.lines.append, strict=True),
    ):
        pytest.fail("it opened")
