"""Real container engines, registries and a base image, as session fixtures.

Import the fixtures a test folder needs into its conftest.py.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lambdactl import container
from lambdactl.container import Engine
from lambdactl.errors import MissingTool
from lambdactl.ports import free_port
from tests.support import once, require

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
BASE_TAG = "lambdactl-test-base:bookworm"
SCRIPT = Path(__file__).with_name("base_image.sh")
ENGINES = ("docker", "podman")

REGISTRY_CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  {settings}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""


@dataclass(frozen=True, slots=True)
class Registry:
    host: str  # 127.0.0.1:PORT, plain HTTP

    def repository(self, name: str) -> str:
        return f"{self.host}/{name}"


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine lambdactl itself would choose."""
    try:
        return container.find()
    except MissingTool as absent:
        require.missing("a container engine", str(absent))
        raise


@pytest.fixture(scope="session")
def podman() -> Engine:
    return needed("podman")


def needed(name: str) -> Engine:
    """The engine of this name."""
    try:
        return container.find(name)
    except MissingTool as absent:
        require.missing(name, str(absent))
        raise


@contextlib.contextmanager
def serve_registry(
    folder: Path, htpasswd: Path | None = None, settings: str = "delete: {enabled: true}"
) -> Iterator[Registry]:
    """A docker-registry on a free loopback port, stopped by its process id. `settings` of its storage."""
    program = shutil.which("docker-registry")
    if not program:
        require.missing("docker-registry", "apt-get install docker-registry")
        raise AssertionError
    port = free_port()
    auth = f"auth: {{htpasswd: {{realm: test, path: {htpasswd}}}}}" if htpasswd else ""
    config = folder / "registry.yml"
    config.write_text(
        REGISTRY_CONFIG.format(folder=folder / "blobs", port=port, auth=auth, settings=settings)
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/v2/", process)
        yield Registry(f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="session")
def base_tag(engine: Engine) -> str:
    """A Debian base in the local engine, made once for each machine (half a minute)."""
    with once.alone("base-image"):
        if engine.call("image", "inspect", BASE_TAG, check=False).returncode:
            if not shutil.which("mmdebstrap"):
                require.missing("mmdebstrap", "apt-get install mmdebstrap")
            subprocess.run(
                [str(SCRIPT), BASE_TAG, engine.executable],
                check=True,
                stdin=subprocess.DEVNULL,
                timeout=600,
            )
    return BASE_TAG


@pytest.fixture(scope="session")
def base_image(engine: Engine, registry: Registry, base_tag: str) -> str:
    """The base by digest, as a project's base_image: "127.0.0.1:PORT/base@sha256:..."."""
    from lambdactl.image import push

    repository = registry.repository("base")
    return f"{repository}@{push.push(engine, base_tag, repository, 'bookworm')}"


def _wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            opener.open(url, timeout=1).close()
            return
        except urllib.error.HTTPError:
            return  # it answers, if only to ask who we are
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the registry did not answer at {url}")
