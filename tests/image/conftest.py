"""Jobs, locks and images for these tests. Images are built once a session; the engine's cache helps."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lambdactl.container import Engine
from lambdactl.image.build import build
from lambdactl.image.context import Context, context
from lambdactl.image.files import File
from lambdactl.lock import Lock, resolve
from lambdactl.manifest.job import Agent, Job, McpServer, Package, Packages, Settings
from tests.support.engine import CA_BUNDLE

EVERYTHING = Package("npm", "@modelcontextprotocol/server-everything", "2026.8.31")
CLOCK = Package("pypi", "mcp-server-time", "2026.10.19")
TABULATE = Package("pypi", "tabulate", "0.9.0")

# In the CA bundle and the proxy settings of the full image's build. Not a new one each time: layers come
# from the engine's cache, and have to be searched for what stood there when they were made.
MARKER = "lambdactl-test-marker-5b1e"

# As Lambda runs it: another user, a read-only root, no network, no capabilities.
AS_LAMBDA = [
    "--rm", "-i", "--read-only", "--ipc=none", "--user", "993:990", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--pids-limit", "1024", "--ulimit", "nofile=1024:1024",
    "--memory", "2048m", "--network", "none", "--entrypoint", "/usr/bin/env",
    "--tmpfs", "/tmp:rw,exec,nosuid,nodev,size=512m,mode=1777",
]  # fmt: skip


def job(name: str = "sample", agent: Agent | None = None, **fields: object) -> Job:
    found = agent or Agent(type="command", command=("true",))
    return Job(name=name, prefix=f"{name}/", agent=found, **fields)  # type: ignore[arg-type]


def served(package: Package, executable: str = "") -> McpServer:
    return McpServer(name="server", package=package, executable=executable)


@dataclass(frozen=True, slots=True)
class Built:
    """An image in the engine, with all that it was made of."""

    ref: str
    context: Context
    project: Settings
    lines: list[str]

    def run(self, engine: Engine, *argv: str, input: bytes = b"") -> str:
        done = engine.call("run", *AS_LAMBDA, self.ref, *argv, input=input, timeout=120)
        return done.stdout.decode()


@pytest.fixture(scope="session")
def full_job() -> Job:
    """One of everything."""
    return job(
        agent=Agent(type="claude-code", version="2.1.240"),
        mcp_servers=(served(EVERYTHING), served(CLOCK)),
        packages=Packages(apt=("tree",), pip=(TABULATE,)),
        include=("tools",),
    )


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, base_image: str) -> Settings:
    root = tmp_path_factory.mktemp("project")
    (root / "tools").mkdir()
    (root / "tools/hello.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "tools/hello.sh").chmod(0o700)
    (root / "tools/names.txt").write_text("Ada\n")
    bundle = root / "ca.pem"
    bundle.write_text(f"# {MARKER}\n{CA_BUNDLE.read_text()}")
    return Settings(
        name="test", root=root, base_image=base_image, ca_bundle=str(bundle), build_network="host"
    )


@pytest.fixture(scope="session")
def full_lock(project: Settings, full_job: Job) -> Lock:
    codex = job("codex", Agent(type="codex", version="0.169.0"))
    return resolve(project, [full_job, codex], Lock())


@pytest.fixture(scope="session")
def agent_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "agent"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "handler.py").write_text("def handle(event, context):\n    return {}\n")
    return folder


@pytest.fixture(scope="session")
def built(
    engine: Engine, project: Settings, full_job: Job, full_lock: Lock, agent_source: Path
) -> Iterator[Built]:
    made = context(full_job, project, full_lock, agent_source)
    # Layers of its own in the engine's cache: each of them was built with the marker at hand.
    installer = made.files["install.py"].content + f"\n# {MARKER.swapcase()}\n".encode()
    made = replace(made, files={**made.files, "install.py": File(installer)})
    ref = f"lambdactl-test:{uuid.uuid4().hex}"
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NO_PROXY", f"localhost,{MARKER}.invalid")
        build(made, engine, ref, project, lines.append)
    yield Built(ref, made, project, lines)
    engine.call("rmi", ref, check=False)
