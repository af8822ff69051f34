"""The same build and push with podman: its flags and its cache differ, the result must not."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdactl.container import Engine
from lambdactl.image import oci
from lambdactl.image.build import build, find_local, inspect, manifest_of
from lambdactl.image.context import Context, context
from lambdactl.image.push import pull, push
from lambdactl.lock import Lock, resolve
from lambdactl.manifest.job import Package, Packages, Settings
from tests.image.conftest import TABULATE, job
from tests.support.engine import Registry

REF = "lambdactl-test:podman"
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


@pytest.fixture(scope="module")
def storage(podman: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """podman with an empty storage of its own: nothing comes from a cache of an earlier session."""
    folder = tmp_path_factory.mktemp("podman")
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        yield
        podman.call("rmi", "--all", "--force", check=False)
    # podman leaves its storage mounted onto itself.
    subprocess.run(["umount", str(folder / "graph/overlay")], capture_output=True)


@pytest.fixture
def locked(project: Settings, full_lock: Lock, agent_source: Path) -> Context:
    return context(
        job(packages=Packages(pip=(TABULATE,)), include=("tools",)), project, full_lock, agent_source
    )


@pytest.mark.usefixtures("storage")
def test_podman_builds_and_pushes_a_single_image(
    podman: Engine, project: Settings, locked: Context, registry: Registry
) -> None:
    image = build(locked, podman, REF, project, lambda line: None)
    assert find_local(podman, REF) == image
    assert inspect(podman, image)["Architecture"] == "amd64"
    assert manifest_of(podman, REF).startswith(b'{"schemaVersion":2')
    repository = registry.repository("by-podman")
    digest = push(podman, REF, repository, locked.fingerprint)
    found = oci.manifest_of(f"{repository}:{locked.fingerprint}")
    assert found
    assert found.media_type in oci.MANIFESTS
    assert pull(podman, repository, digest) == f"{repository}@{digest}"


@pytest.mark.usefixtures("storage")
def test_another_pin_is_another_package(
    podman: Engine, project: Settings, locked: Context, agent_source: Path
) -> None:
    """podman's layer cache does not look into what a RUN step mounts."""
    pinned = job(packages=Packages(pip=(Package("pypi", "tabulate", "0.8.10"),)), include=("tools",))
    lock = resolve(project, [pinned], Lock())
    for made, version in ((locked, "0.9.0"), (context(pinned, project, lock, agent_source), "0.8.10")):
        ref = f"lambdactl-test:{uuid.uuid4().hex}"
        build(made, podman, ref, project, lambda line: None)
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
        imported = ("run", "--rm", "--network", "none", *limits, "--entrypoint", "/opt/lambdactl/bin/python3")
        done = podman.call(*imported, ref, "-c", "import tabulate; print(tabulate.__version__)")
        assert done.stdout.decode() == f"{version}\n"
