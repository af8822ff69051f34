"""A project of many jobs for the benchmarks: its folder, and the account that it is deployed to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lambdactl.account import site_at
from lambdactl.deployment import Deployments
from lambdactl.project import Project
from lambdactl.reconcile import carry_out, plan
from lambdactl.sandbox.layers import Record
from lambdactl.site import aws_registry
from lambdactl.wanted import wanted
from tests.support.cloud import ACCOUNT, REGION, Cloud, builder
from tests.support.populate import populate

REPOSITORY = Path(__file__).parents[1]
# Nothing is built: a base named by digest needs no registry.
NO_BASE = "none.invalid/base@sha256:" + "0" * 64
SETTINGS = (
    f"project: bench\nregion: {REGION}\nimage: {{base: '{NO_BASE}'}}\nallow: {{parameters: ['/agents/*']}}\n"
)
MANIFEST = """\
description: Label and answer new issues
agent:
  type: claude-code
  model: claude-sonnet-4-6
  prompt: |
    Triage the issue in input.json and answer it.
  maxTurns: 40
mcpServers:
  docs:
    type: http
    url: https://mcp.example.com/mcp
    headers: {{ Authorization: "Bearer ${{secrets.DOCS_TOKEN}}" }}
secrets:
  ANTHROPIC_API_KEY: /agents/anthropic-api-key
  DOCS_TOKEN: /agents/triage/docs-token
prefix: job{number}/
timeout: 10m
memory: 3072
"""


def write_project(folder: Path, count: int) -> None:
    (folder / "jobs").mkdir(parents=True)
    (folder / "lambdactl.yaml").write_text(SETTINGS)
    shutil.copy(REPOSITORY / "lambdactl.lock", folder)
    for number in range(count):
        (folder / "jobs" / f"job-{number:04}.yaml").write_text(MANIFEST.format(number=number))


@dataclass(frozen=True, kw_only=True)
class Account:
    """An emulated account by its front's URL, and the project in `folder` that is to be in it."""

    url: str
    upstream: str
    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """A process's, complete: nothing of this machine's AWS."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @cached_property
    def _deployments(self) -> Deployments:
        project = Project.open(self.folder)
        registry = aws_registry(ACCOUNT, REGION)
        return project.deployments(site_at(project.settings, ACCOUNT, REGION, registry))

    @property
    def _cloud(self) -> Cloud:
        return Cloud(name="ministack", url=self.upstream, record=Record(), upstream=self.upstream)

    def prepare(self) -> None:
        """What all jobs share is there: bucket, repository, images (nothing is built here), parameters."""
        aws, nothing = self._cloud.aws(), replace(self._deployments, jobs=())
        list(carry_out(aws, nothing, plan(aws, nothing), str))
        for tag in sorted({each.image for each in self._deployments.jobs}):
            builder(self._cloud, nothing.site)(tag)
        for name in {name for each in self._deployments.jobs for name in each.job.secrets.values()}:
            aws.call("ssm", "PutParameter", {"Name": name, "Value": "made-up", "Type": "SecureString"})

    def populate(self) -> None:
        """All jobs are there, as an apply leaves them, without one."""
        populate(self.upstream, wanted(self._deployments).values(), self._images)

    def change_a_prompt(self) -> None:
        manifest = self.folder / "jobs" / "job-0000.yaml"
        manifest.write_text(manifest.read_text().replace("and answer it", "and label it"))

    @property
    def image_uri(self) -> str:
        return next(iter(self._images.values()), "")

    @property
    def _images(self) -> Mapping[str, str]:
        """tag -> URI by digest"""
        site = self._deployments.site
        answer = self._cloud.aws().maybe_call("ecr", "ListImages", {"repositoryName": site.repository})
        ids = answer["imageIds"] if answer else []
        return {each["imageTag"]: f"{site.repository_uri}@{each['imageDigest']}" for each in ids}
