"""Jobs x kinds: the wanted world. Pure."""

from __future__ import annotations

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Resource
from lambdactl.kinds import KINDS


def wanted(deployments: Deployments) -> dict[Address, Resource]:
    """Every resource that these deployments need, by address."""
    return {resource.address: resource for kind in KINDS for resource in kind.wanted(deployments)}
