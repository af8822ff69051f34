"""What is to be deployed: every job beside its image and definition, and where. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lambdactl.definition import digest
from lambdactl.manifest.job import Job
from lambdactl.site import Site


@dataclass(frozen=True, kw_only=True)
class Deployment:
    job: Job
    image: str  # the fingerprint, which is the image's tag
    definition: Mapping[str, Any]

    @cached_property
    def definition_sha256(self) -> str:
        return digest(self.definition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployments:
    """All of a project in one environment. `bucket_named`: the user named the bucket."""

    site: Site
    jobs: tuple[Deployment, ...] = ()
    bucket_named: bool = False
