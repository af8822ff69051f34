"""One layer at a time before either emulator, called by boto3 clients that try nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdactl.sandbox.front import Front, Layer
from tests.support.cloud import ACCOUNT, REGION, reset
from tests.support.strict import VirtualClock

REPOSITORY = "lambdactl/demo/main"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}"
TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
OCI = "application/vnd.oci.image.manifest.v1+json"


@lru_cache
def _session() -> boto3.Session:
    return boto3.Session(ACCOUNT, "made-up", region_name=REGION)


@dataclass(frozen=True)
class Bench:
    """An account behind some layers, and its clock."""

    url: str
    clock: VirtualClock
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
            self.clients[service] = _session().client(service, endpoint_url=self.url, config=config)
        return self.clients[service]

    def role(self, name: str = "role", trust: Any = TRUST) -> str:
        made = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        return str(made["Role"]["Arn"])

    def function(self, name: str = "f", role: str = "", **settings: Any) -> Any:
        role = role or f"arn:aws:iam::{ACCOUNT}:role/role"
        code = {"ImageUri": f"{REGISTRY}@sha256:{'1' * 64}"}
        return self.client("lambda").create_function(
            **{"FunctionName": name, "PackageType": "Image", "Code": code, "Role": role, **settings}
        )

    def push(self, tag: str = "v1", **changes: Any) -> str:
        """An image's manifest put under a tag; its digest."""
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "2" * 64}
        manifest = {"schemaVersion": 2, "mediaType": OCI, "config": {**config, "size": 1}, "layers": []}
        manifest |= {"annotations": {"tag": tag}, **changes}
        put = self.client("ecr").put_image(
            repositoryName=REPOSITORY,
            imageManifest=json.dumps(manifest),
            imageManifestMediaType=manifest["mediaType"],
            imageTag=tag,
        )
        return str(put["image"]["imageId"]["imageDigest"])


Behind = Callable[..., Bench]


@pytest.fixture(params=["moto", "ministack"])
def behind(request: pytest.FixtureRequest) -> Iterator[Behind]:
    """`behind(layers..., clock=clock)`: an empty account with a role that Lambda may assume."""
    upstream = request.getfixturevalue(f"{request.param}_server")
    reset(request.param, upstream)
    with ExitStack() as stack:
        bare = Bench(stack.enter_context(Front(upstream)).url, VirtualClock())
        bare.role()

        def made(*layers: Layer, clock: VirtualClock | None = None) -> Bench:
            front = stack.enter_context(Front(upstream, layers))
            return Bench(front.url, clock or VirtualClock())

        yield made


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
    """(status, code, message) of the answer to a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status, answer["Error"]["Code"], answer["Error"]["Message"]
