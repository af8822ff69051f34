"""A bridge network for one run, and its end. The gateway of it is this machine's way to the container."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lambdactl.container import Engine, last_words
from lambdactl.errors import RunError
from lambdactl.runners.owner import LABEL, PATIENCE, Owner, remove

# The first is Lambda's own. Not .169 and .170, where clouds serve credentials.
SUBNETS = range(100, 150)
TAKEN = re.compile(rb"overlap|already (?:used|in use|exists)|being used", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    subnet: ipaddress.IPv4Network
    gateway: str


@contextmanager
def opened(engine: Engine, name: str, owner: Owner) -> Iterator[Network]:
    """The first free one of our subnets: several runs at once each have their own."""
    network = _create(engine, name, owner)
    try:
        _check_reach(engine, network)
        yield network
    finally:
        remove(engine, "network", "rm", name)


def _create(engine: Engine, name: str, owner: Owner) -> Network:
    for third in SUBNETS:
        network = Network(name, ipaddress.IPv4Network(f"169.254.{third}.0/24"), f"169.254.{third}.1")
        if is_ours(network.gateway):
            continue  # somebody's bridge, maybe that of another engine
        options = ["--driver", "bridge", "--subnet", str(network.subnet), "--gateway", network.gateway]
        done = engine.call(
            "network", "create", *options, "--label", f"{LABEL}={owner}", name, timeout=PATIENCE, check=False
        )
        if done.returncode == 0:
            return network
        if not TAKEN.search(done.stderr):
            raise RunError("no network for the run", why=last_words(done.stderr))
    raise RunError(
        f"no free network for the run among 169.254.{SUBNETS.start}.0/24 to 169.254.{SUBNETS.stop - 1}.0/24",
        hint=f"see `{engine.name} network ls --filter label={LABEL}`",
    )


def _check_reach(engine: Engine, network: Network) -> None:
    """The Runtime API is served by this process on the gateway: that must be an address of this machine."""
    if engine.name == "podman":
        done = engine.call("info", "--format", "{{.Host.Security.Rootless}}", timeout=PATIENCE, check=False)
        there = done.stdout.strip() == b"false"  # the bridge itself comes up with the container
    else:
        there = is_ours(network.gateway)
    if not there:
        raise RunError(
            f"the bridges of {engine.name} are not on this machine (no {network.gateway} here)",
            why="its containers cannot reach the Lambda Runtime API that lambdactl serves",
            hint="use an engine that runs on this Linux machine and as root's daemon, or --engine process",
        )


def is_ours(address: str) -> bool:
    """Whether an interface of this machine has the address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as refused:
            if refused.errno == errno.EADDRNOTAVAIL:
                return False
            raise
    return True
