"""Apply with a real build and a real push: a registry on loopback stands in for ECR, moto for its API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl import lock
from lambdactl.bundled import agent_source
from lambdactl.container import Engine
from lambdactl.deployment import Deployment, Deployments
from lambdactl.engine import Done, Started
from lambdactl.image.build import local_ref
from lambdactl.image.context import Context, context
from lambdactl.image.oci import digest_of
from lambdactl.manifest.job import Agent, Settings
from lambdactl.publish import Local, Publisher
from lambdactl.reconcile import carry_out, plan
from tests.support.cloud import SITE, Cloud, job
from tests.support.engine import CA_BUNDLE, Registry

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def built(base_image: str, tmp_path: Path) -> tuple[Settings, Context]:
    """The smallest image there is: the supervisor alone."""
    settings = Settings(
        name="e2e", root=tmp_path, base_image=base_image, ca_bundle=str(CA_BUNDLE), build_network="host"
    )
    one = job("hello", agent=Agent(type="command", command=("true",)))
    return settings, context(one, settings, lock.load(REPOSITORY / "lambdactl.lock"), agent_source())


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def local(engine: Engine, built: tuple[Settings, Context], lines: list[str]) -> Iterator[Local]:
    yield Local(engine=engine, settings=built[0], on_line=lines.append)
    engine.call("image", "rm", "-f", local_ref(built[0], built[1].fingerprint), check=False)


def test_what_apply_deploys_is_what_the_registry_holds(
    cloud: Cloud, registry: Registry, local: Local, built: tuple[Settings, Context], lines: list[str]
) -> None:
    site = replace(SITE, registry=registry.host)
    _, made = built
    deployment = Deployment(
        job=job("hello"), image=made.fingerprint, definition={"version": 1, "job": "hello"}
    )
    wanted = Deployments(site=site, jobs=(deployment,))
    aws = cloud.aws()
    publisher = Publisher(aws=aws, site=site, contexts={made.fingerprint: made}, local=local)

    def publish(fingerprint: str) -> str:
        """Push for real, then let the emulator know what ECR would: its own registry takes no pushes."""
        digest = publisher(fingerprint)
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
        cloud.client("ecr").put_image(
            repositoryName=site.repository,
            imageManifest=json.dumps(manifest),
            imageTag=fingerprint,
            imageDigest=digest,
        )
        return digest

    events = list(carry_out(aws, wanted, plan(aws, wanted), publish))
    assert [event for event in events if not isinstance(event, Started | Done)] == []
    digest = digest_of(f"{site.repository_uri}:{made.fingerprint}")
    function = cloud.client("lambda").get_function(FunctionName=site.function("hello"))
    assert function["Code"]["ImageUri"] == f"{site.repository_uri}@{digest}"
    assert plan(cloud.aws(), wanted).steps == ()
    assert any(line.startswith("building image") for line in lines)


def test_credentials_for_the_registry_never_reach_an_argument_or_a_line(
    cloud: Cloud, registry: Registry, local: Local, built: tuple[Settings, Context], lines: list[str]
) -> None:
    token = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    password = base64.b64decode(token).decode().partition(":")[2]
    site = replace(SITE, registry=registry.host)
    Publisher(aws=cloud.aws(), site=site, contexts={built[1].fingerprint: built[1]}, local=local)(
        built[1].fingerprint
    )
    assert password
    assert not [line for line in lines if password in line]
