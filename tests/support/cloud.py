"""Emulated AWS for tests: moto's server and ministack, each a process of its own on loopback.

They are wrong in different places, so what must hold is tested on both. The front in between answers
as AWS does where both do not, and records every call.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.loaders import create_loader

from lambdactl.aws import Aws, Endpoint
from lambdactl.aws.session import Clients
from lambdactl.deployment import Deployment, Deployments
from lambdactl.manifest.job import Agent, Job
from lambdactl.ports import free_port
from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.front import Front, Layer, Next, Request, Response
from lambdactl.sandbox.identify import identify
from lambdactl.sandbox.layers import Record, latency
from lambdactl.site import Site
from tests.support.strict import Options, Strict, VirtualClock, strict

ACCOUNT = "123456789012"
REGION = "us-east-1"
SITE = Site(
    project="demo",
    environment="main",
    account=ACCOUNT,
    region=REGION,
    bucket="demo-main-bucket",
    registry=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
)


# Each session of botocore would read its models anew, and a test makes several: half of these tests' time.
botocore.session.create_loader = cache(create_loader)


class Hurry:
    """A clock that runs on by itself where somebody sleeps: what waits for a turn need not really wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._skipped = 0.0

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        slept = min(seconds, 0.05)
        time.sleep(slept)
        with self._lock:
            self._skipped += seconds - slept


@dataclass(frozen=True)
class Cloud:
    """An emulated account that is empty at the start of each test."""

    name: str
    url: str
    record: Record
    upstream: str = ""

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(url=self.url, region=REGION, access_key=ACCOUNT, secret_key="made-up")

    @cached_property
    def _clients(self) -> Clients:
        """Nothing of a command is in them, and making them is most of a short test's time."""
        return Clients(REGION, self.endpoint)

    @property
    def _timing(self) -> Mapping[str, Any]:
        hurry = Hurry()
        return {"sleep": hurry.sleep, "clock": hurry.now}

    def aws(self) -> Aws:
        """As a new command would have it: nothing is remembered."""
        made = Aws(endpoint=self.endpoint, **self._timing)
        made._clients = self._clients
        return made

    def client(self, service: str) -> Any:
        return _session().client(service, endpoint_url=self.url)

    def writes(self) -> list[str]:
        reads = ("Get", "List", "Describe", "Head", "BatchGet")
        return [call for call in self.record.calls.elements() if not call.partition(".")[2].startswith(reads)]


@dataclass(frozen=True, kw_only=True)
class StrictCloud(Cloud):
    """As `Cloud`, but as unforgiving as AWS, in virtual time: waiting takes none of ours."""

    clock: VirtualClock
    strict: Strict

    @property
    def _timing(self) -> Mapping[str, Any]:
        return {"sleep": self.clock.sleep, "clock": self.clock.now}


@cache
def _session() -> boto3.Session:
    return boto3.Session(ACCOUNT, "made-up", region_name=REGION)


@contextmanager
def process(*argv: str, url: str, env: dict[str, str]) -> Iterator[None]:
    """A server as a child process, up when `url` answers, ended by its process id."""
    base = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    child = subprocess.Popen(argv, env={**base, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                assert child.poll() is None, f"{argv} ended with {child.returncode}"
                time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.wait(10)


@contextmanager
def moto() -> Iterator[str]:
    """moto's server; its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-P", str(Path(__file__).with_name("moto_server.py")), str(port)]
    with process(*argv, url=f"{url}/moto-api/", env={"MOTO_ACCOUNT_ID": ACCOUNT}):
        yield url


@contextmanager
def ministack() -> Iterator[str]:
    """ministack, bound to loopback; its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LAMBDA_STATE_TRANSITION_SECONDS": "0.2",
    }
    with process(str(Path(sys.executable).with_name("ministack")), url=f"{url}/_ministack/health", env=env):
        yield url


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture(scope="session")
def ministack_server() -> Iterator[str]:
    with ministack() as url:
        yield url


def _post(url: str, document: Any = None) -> None:
    body = b"" if document is None else json.dumps(document).encode()
    urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST")).close()


def put_replaces(request: Request, following: Next) -> Response:
    """moto appends a second event-invoke configuration and goes on answering with the first."""
    if identify(request) == ("lambda", "PutFunctionEventInvokeConfig"):
        following(replace(request, method="DELETE", body=b""))
    return following(request)


def tagged_buckets(request: Request, following: Next) -> Response:
    """moto makes a bucket without the tags it is to be made with."""
    response = following(request)
    tags = re.search(rb"<Tags>.*</Tags>", request.body, re.DOTALL)
    if identify(request) == ("s3", "CreateBucket") and tags and response.status < 300:
        body = tags[0].replace(b"Tags>", b"TagSet>")
        following(replace(request, target=f"{request.path}?tagging", body=b"<Tagging>%s</Tagging>" % body))
    return response


class Modified:
    """A layer. AWS dates a function by its last change, moto by its creation for ever."""

    def __init__(self) -> None:
        self._times: dict[str, str] = {}

    def __call__(self, request: Request, following: Next) -> Response:
        response = following(request)
        service, operation = identify(request)
        if service != "lambda" or response.status >= 300 or "Function" not in operation or not response.body:
            return response
        answer = json.loads(response.body)
        told = answer.get("Functions") or [answer.get("Configuration", answer)]
        if operation in ("UpdateFunctionCode", "UpdateFunctionConfiguration"):
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._times[answer["FunctionName"]] = now.replace("+00:00", "+0000")
        for each in told:
            if changed := self._times.get(each.get("FunctionName", "")):
                each["LastModified"] = max(changed, each["LastModified"])
        return response.with_body(json.dumps(answer).encode())


def reset(name: str, upstream: str) -> None:
    """The emulated account is empty again."""
    _post(upstream + ("/moto-api/reset" if name == "moto" else "/_ministack/reset"))


@contextmanager
def strict_front(
    name: str,
    upstream: str,
    options: Options = Options(),  # noqa: B008 - frozen
    *,
    outer: Sequence[Layer] = (),
    inner: Sequence[Layer] = (),
) -> Iterator[StrictCloud]:
    """What is in the emulator now, behind new strict layers; `outer` ones before all (such as KillAt),
    `inner` ones behind all: they see what was really done.

    New layers know nothing of pending functions and young roles: to them, what is there is settled.
    A process of its own does not move the virtual clock by sleeping, only by calling (`call_seconds`).
    """
    clock, record = VirtualClock(), Record()
    layers = strict(clock.now, options)
    network = latency(options.call_seconds, clock.sleep)
    with Front(
        upstream, [*outer, record, network, *layers.layers, *inner, Modified(), tagged_buckets, put_replaces]
    ) as front:
        yield StrictCloud(
            name=name, url=front.url, record=record, upstream=upstream, clock=clock, strict=layers
        )


@pytest.fixture(params=["moto", "ministack"])
def strict_cloud(request: pytest.FixtureRequest) -> Iterator[StrictCloud]:
    """An empty account on either emulator, behind every layer of tests/support/strict; no faults yet."""
    upstream = request.getfixturevalue(f"{request.param}_server")
    reset(request.param, upstream)
    with strict_front(request.param, upstream) as made:
        yield made


@pytest.fixture(params=["moto", "ministack"])
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """An empty account on either emulator, behind the front that fills in what AWS would."""
    upstream = request.getfixturevalue(f"{request.param}_server")
    reset(request.param, upstream)
    record = Record()
    with Front(upstream, [record, Fill(), Modified(), tagged_buckets, put_replaces]) as front:
        yield Cloud(name=request.param, url=front.url, record=record, upstream=upstream)


def job(name: str = "triage", **changes: Any) -> Job:
    """A resolved job, as a manifest would give it."""
    values: dict[str, Any] = {
        "agent": Agent(type="command", command=("true",)),
        "prefix": f"{name}/",
        "secrets": {"TOKEN": f"/agents/{name}/token"},
        **changes,
    }
    return Job(name=name, **values)


def deployments(*jobs: Job, image: str = "a" * 32, site: Site = SITE) -> Deployments:
    """These jobs, with a definition each and one image for all."""
    each = tuple(
        Deployment(
            job=one, image=image, definition={"version": 1, "job": one.name, "prompt": one.agent.prompt}
        )
        for one in jobs
    )
    return Deployments(site=site, jobs=each)


def put_image(tag: str, site: Site = SITE) -> dict[str, Any]:
    """The parameters of PutImage for an image of one layer."""
    docker = "application/vnd.docker"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{docker}.distribution.manifest.v2+json",
        "config": {
            "mediaType": f"{docker}.container.image.v1+json",
            "size": len(tag),
            "digest": "sha256:" + "0" * 64,
        },
        # moto makes an image's digest of those of its layers.
        "layers": [
            {
                "mediaType": f"{docker}.image.rootfs.diff.tar.gzip",
                "size": len(tag),
                "digest": "sha256:" + hashlib.sha256(tag.encode()).hexdigest(),
            }
        ],
    }
    return {
        "repositoryName": site.repository,
        "imageManifest": json.dumps(manifest),
        "imageManifestMediaType": manifest["mediaType"],
        "imageTag": tag,
    }


def builder(cloud: Cloud, site: Site = SITE):  # type: ignore[no-untyped-def]
    """Stands for build and push: records a manifest in the emulator's registry, as a push would."""

    def build(tag: str) -> str:
        answer = cloud.client("ecr").put_image(**put_image(tag, site))
        return str(answer["image"]["imageId"]["imageDigest"])

    return build
