"""The same build and push with podman: its flags differ, the result must not."""

from __future__ import annotations

from pathlib import Path

from lambdactl.container import Engine
from lambdactl.image import oci
from lambdactl.image.build import build, find_local, inspect, manifest_of
from lambdactl.image.context import context
from lambdactl.image.push import pull, push
from lambdactl.lock import Lock
from lambdactl.manifest.job import Settings
from tests.image.conftest import job
from tests.support.engine import Registry

REF = "lambdactl-test:podman"


def test_podman_builds_and_pushes_a_single_image(
    podman: Engine, project: Settings, full_lock: Lock, agent_source: Path, registry: Registry
) -> None:
    made = context(job(include=("tools",)), project, full_lock, agent_source)
    image = build(made, podman, REF, project, lambda line: None)
    try:
        assert find_local(podman, REF) == image
        assert inspect(podman, image)["Architecture"] == "amd64"
        assert manifest_of(podman, REF).startswith(b'{"schemaVersion":2')
        repository = registry.repository("by-podman")
        digest = push(podman, REF, repository, made.fingerprint)
        found = oci.manifest_of(f"{repository}:{made.fingerprint}")
        assert found
        assert found.media_type in oci.MANIFESTS
        assert pull(podman, repository, digest) == f"{repository}@{digest}"
        podman.call("rmi", f"{repository}@{digest}")
    finally:
        podman.call("rmi", "--force", REF, check=False)
