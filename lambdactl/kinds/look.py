"""What a kind has at hand when it reads its resources in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

    @property
    def functions(self) -> list[Mapping[str, Any]]:
        """Every function of the account, as ListFunctions shows it."""
        return self.aws.pages("lambda", "ListFunctions", "Functions")
