"""What a kind has at hand when it reads its resources in AWS."""

from __future__ import annotations

from dataclasses import dataclass

from lambdactl.aws import Aws
from lambdactl.deployment import Deployments
from lambdactl.engine import World
from lambdactl.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`aws` remembers each answer, so that two kinds that need the same one pay for it once."""

    aws: Aws
    deployments: Deployments
    wanted: World

    @property
    def site(self) -> Site:
        return self.deployments.site
