"""A bridge network for one run, how its containers reach this process, and its end.

Two transports. "bridge": the engine's bridges are on this machine, and lambdactl serves on the bridge's
gateway. "sidecar": they are elsewhere (a virtual or remote machine, a user namespace), and a container on
the network carries what it is sent to this process (`tunnel`). Either way the address is Lambda's own.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from lambdactl.container import Engine, last_words
from lambdactl.errors import RunError
from lambdactl.runners.bridge import IP_FREEBIND
from lambdactl.runners.owner import LABEL, PATIENCE, Owner, remove

Transport = Literal["bridge", "sidecar"]
TRANSPORTS: tuple[Transport, ...] = ("bridge", "sidecar")
TRANSPORT = "LAMBDACTL_TRANSPORT"  # the one to take, whatever would be chosen
# The first is Lambda's own. Not .169 and .170, where clouds serve credentials.
SUBNETS = range(100, 150)
CLAIM_PORT = 9001
TAKEN = re.compile(rb"overlap|already (?:used|in use|exists)|being used", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Network:
    """`claim` keeps other runs from the subnet, also those of another engine."""

    name: str
    subnet: ipaddress.IPv4Network
    transport: Transport
    claim: socket.socket | None = None

    @property
    def address(self) -> str:
        """Where the containers find what this process serves."""
        return str(self.subnet[1])

    @property
    def gateway(self) -> str:
        return str(self.subnet[1 if self.transport == "bridge" else 254])


@contextmanager
def opened(engine: Engine, name: str, owner: Owner) -> Iterator[Network]:
    """The first free one of our subnets: several runs at once each have their own."""
    network: Network | None = None
    try:
        network = _made(engine, name, owner)
        yield network
    finally:
        remove(engine, "network", "rm", name)
        if network:
            _release(network)


def _made(engine: Engine, name: str, owner: Owner) -> Network:
    """With the transport that the environment names, else "bridge" where the bridge is on this machine."""
    forced, may_be_here = _forced(), _may_be_here(engine)
    network = _create(engine, name, owner, forced or ("bridge" if may_be_here else "sidecar"))
    if network.transport == "sidecar" or (may_be_here and _is_here(engine, network)):
        return network
    _release(network)
    if forced:
        raise RunError(
            f"the bridges of {engine.name} are not on this machine (no {network.gateway} here)",
            why="its containers cannot reach the Lambda Runtime API that lambdactl serves",
            hint=f"unset {TRANSPORT}, or set it to sidecar",
        )
    remove(engine, "network", "rm", name)
    return _create(engine, name, owner, "sidecar")


def _forced() -> Transport | None:
    wanted = os.environ.get(TRANSPORT, "")
    for each in TRANSPORTS:
        if wanted == each:
            return each
    if wanted:
        raise RunError(f"{TRANSPORT} is {wanted!r}", hint=f"say {' or '.join(TRANSPORTS)}, or unset it")
    return None


def _may_be_here(engine: Engine) -> bool:
    """What can be told of the engine before it has made a network."""
    if sys.platform != "linux":
        return False
    if engine.name != "podman":
        return True
    asked = "{{.Host.Security.Rootless}} {{.Host.ServiceIsRemote}}"
    done = engine.call("info", "--format", asked, timeout=PATIENCE, check=False)
    return done.stdout.split() == [b"false", b"false"]


def _is_here(engine: Engine, network: Network) -> bool:
    return engine.name == "podman" or is_ours(network.gateway)  # podman's comes up with the first container


def _create(engine: Engine, name: str, owner: Owner, transport: Transport) -> Network:
    for third in SUBNETS:
        subnet = ipaddress.IPv4Network(f"169.254.{third}.0/24")
        if is_ours(str(subnet[1])) or is_ours(str(subnet[254])):
            continue  # somebody's bridge, maybe that of another engine
        try:
            network = Network(name, subnet, transport, _claim(str(subnet[1])))
        except OSError:
            continue  # another run's, whose bridge is not up yet
        if _try(engine, network, owner):
            return network
        _release(network)
    raise RunError(
        f"no free network for the run among 169.254.{SUBNETS.start}.0/24 to 169.254.{SUBNETS.stop - 1}.0/24",
        hint=f"see `{engine.name} network ls --filter label={LABEL}`",
    )


def _try(engine: Engine, network: Network, owner: Owner) -> bool:
    """False when the engine has another one there. RunError when it makes none at all."""
    options = ["--driver", "bridge", "--subnet", str(network.subnet), "--gateway", network.gateway]
    label = ["--label", f"{LABEL}={owner}"]
    done = engine.call("network", "create", *options, *label, network.name, timeout=PATIENCE, check=False)
    if done.returncode and not TAKEN.search(done.stderr):
        _release(network)
        raise RunError("no network for the run", why=last_words(done.stderr))
    return done.returncode == 0


def _claim(address: str) -> socket.socket | None:
    """A socket that nobody else can bind while it is open, though no interface may have the address yet.

    It hears nothing that is answered. OSError when somebody has it; None where Linux is elsewhere: there
    the engine's own word must do.
    """
    if sys.platform != "linux":
        return None
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        claim.bind((address, CLAIM_PORT))
    except OSError:
        claim.close()
        raise
    return claim


def _release(network: Network) -> None:
    if network.claim:
        network.claim.close()


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
