"""One real image with everything in it, run as Lambda runs it, and what must not be in it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdactl.container import Engine
from lambdactl.errors import BuildError
from lambdactl.image import launcher
from lambdactl.image.build import build, find_local, inspect, local_ref, manifest_of
from lambdactl.image.context import context
from lambdactl.lock import Lock, resolve
from lambdactl.manifest.job import Agent, Package, Packages, Settings
from tests.image.conftest import CLOCK, EVERYTHING, MARKER, Built, job, served

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def test_the_agent_cli_runs(built: Built, engine: Engine) -> None:
    assert built.run(engine, "claude", "--version").startswith("2.1.240")


def test_codex_runs_without_node(
    project: Settings, full_lock: Lock, agent_source: Path, engine: Engine
) -> None:
    codex = job("codex", Agent(type="codex", version="0.169.0"))
    ref = f"lambdactl-test:{uuid.uuid4().hex}"
    made = context(codex, project, full_lock, agent_source)
    build(made, engine, ref, project, lambda line: None)
    found = Built(ref, made, project, [])
    try:
        assert found.run(engine, "codex", "--version") == "codex-cli 0.169.0\n"
        assert found.run(engine, "sh", "-c", "command -v node || echo none") == "none\n"
    finally:
        engine.call("rmi", ref, check=False)


def test_the_runtime_is_there(built: Built, engine: Engine) -> None:
    entrypoint = inspect(engine, built.ref)["Config"]["Entrypoint"]
    assert entrypoint == ["/opt/lambdactl/python/bin/python", "-m", "awslambdaric"]
    text = "import awslambdaric, boto3, agent.handler; print(boto3.__version__)"
    assert built.run(engine, entrypoint[0], "-c", text) == "1.44.5\n"


@pytest.mark.parametrize("package", [EVERYTHING, CLOCK], ids=str)
def test_bundled_servers_answer_without_a_network(built: Built, engine: Engine, package: Package) -> None:
    answer = built.run(engine, launcher(package), input=json.dumps(INITIALIZE).encode() + b"\n").splitlines()[
        0
    ]
    assert json.loads(answer)["result"]["protocolVersion"] == "2025-06-18"


def test_packages_and_files_of_the_job(built: Built, engine: Engine) -> None:
    assert built.run(engine, "python3", "-c", "import tabulate; print(tabulate.__version__)") == "0.9.0\n"
    assert built.run(engine, "tabulate", "--help").startswith("Usage: tabulate")
    assert built.run(engine, "tree", "--version").startswith("tree v")
    assert built.run(engine, "files/tools/hello.sh") == "hello\n"
    assert built.run(engine, "cat", "files/tools/names.txt") == "Ada\n"


def test_it_knows_its_own_content_and_where_runs_are_kept(built: Built, engine: Engine) -> None:
    assert built.run(engine, "cat", "fingerprint") == built.context.fingerprint
    assert built.run(engine, "stat", "-c", "%a", "/mnt/run") == "1777\n"
    assert built.run(engine, "id", "-u") == "993\n"
    assert "Read-only file system" in built.run(engine, "sh", "-c", "touch x 2>&1 || true")


def test_what_only_the_build_needed_is_not_in_any_layer(built: Built, engine: Engine) -> None:
    """Neither the CA bundle nor proxy settings, nor package tools and their caches."""
    names = []
    for name, content in _saved(engine, built.ref):
        assert MARKER.encode() not in content, name
        names.append(name)
    assert "opt/lambdactl/agent/handler.py" in names
    assert not [name for name in names if name.endswith(("npm-cli.js", "bin/uv", "lambdactl/install.py"))]
    assert not [name for name in names if name.startswith("tmp/") and name.strip("/") != "tmp"]
    # The mount points are left, and nothing in them.
    assert not [name for name in names if name.startswith("run/lambdactl/") and name.count("/") > 2]


def test_it_stays_lean(built: Built, engine: Engine) -> None:
    """Claude Code alone is 327 MB, Node 121, the base 166."""
    assert inspect(engine, built.ref)["Size"] < 850e6


def test_build_lines_were_shown(built: Built) -> None:
    assert any("RUN python3 /run/lambdactl/install.py bundle" in line for line in built.lines)
    # An engine that has built it before says so instead of doing it again.
    said = [line for line in built.lines if line.endswith((f"installing {EVERYTHING}", "CACHED"))]
    assert said
    assert not [line for line in built.lines if not line or "--mount" in line or "npm warn" in line]


def test_engine_queries(built: Built, engine: Engine) -> None:
    image = find_local(engine, built.ref)
    assert image
    assert image.startswith("sha256:")
    assert find_local(engine, "lambdactl-test:absent") is None
    assert local_ref(built.project, "f00") == "lambdactl/test:f00"
    manifest = json.loads(manifest_of(engine, built.ref))
    assert manifest["config"]["digest"] == image
    assert len(manifest["layers"]) == len(inspect(engine, image)["RootFS"]["Layers"])


def test_a_failed_build_ends_with_its_last_words(
    project: Settings, full_lock: Lock, agent_source: Path, engine: Engine
) -> None:
    broken = context(job(packages=Packages(apt=("no-such-package",))), project, full_lock, agent_source)
    lines: list[str] = []
    with pytest.raises(BuildError) as failed:
        build(broken, engine, "lambdactl-test:broken", project, lines.append)
    assert failed.value.why == "E: Unable to locate package no-such-package"
    assert any("Unable to locate package no-such-package" in line for line in lines)


def test_a_base_for_another_architecture_is_refused(
    project: Settings, full_lock: Lock, agent_source: Path, engine: Engine
) -> None:
    other = context(job(architecture="arm64"), project, full_lock, agent_source)
    with pytest.raises(BuildError, match="the base image is for x86_64, the job asks for arm64"):
        build(other, engine, "lambdactl-test:arm64", project, lambda line: None)


def test_a_program_the_package_does_not_have_is_refused(
    project: Settings, agent_source: Path, engine: Engine
) -> None:
    wrong = job(mcp_servers=(served(CLOCK, "clock"),))
    lock = resolve(project, [wrong], Lock())
    with pytest.raises(BuildError, match=r"has no program 'clock'; it has mcp-server-time"):
        build(context(wrong, project, lock, agent_source), engine, "lambdactl-test:x", project, print)


def _saved(engine: Engine, ref: str) -> Iterator[tuple[str, bytes]]:
    """Every file of every layer, and the image's own documents."""
    with engine.spawn("save", ref, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout
        with tarfile.open(fileobj=process.stdout, mode="r|") as image:
            for member in image:
                opened = image.extractfile(member) if member.isfile() else None
                content = opened.read() if opened else b""
                if member.name.endswith(".tar"):
                    yield from _layer(content)
                else:
                    yield member.name, content
    assert process.returncode == 0


def _layer(content: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content)) as layer:
        for member in layer:
            opened = layer.extractfile(member) if member.isfile() else None
            yield member.name, opened.read() if opened else b""
