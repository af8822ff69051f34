"""The same content as a plain folder, for runs without a container."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.errors import BuildError
from lambdactl.image import launcher
from lambdactl.image.context import Context, context
from lambdactl.image.files import File
from lambdactl.image.tree import install_tree
from lambdactl.lock import Lock, resolve
from lambdactl.manifest.job import Package, Packages, Settings
from tests.image.conftest import CLOCK, TABULATE, job, served
from tests.image.test_build import INITIALIZE
from tests.support.engine import CA_BUNDLE

SEMVER = Package("npm", "semver", "7.7.3")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, agent_source: Path) -> Context:
    root = tmp_path_factory.mktemp("project")
    (root / "note.txt").write_text("note")
    base = f"registry.example/base@sha256:{'1' * 64}"
    project = Settings(name="demo", root=root, base_image=base)
    wanted = job(
        mcp_servers=(served(CLOCK),),
        packages=Packages(apt=("tree",), pip=(TABULATE,), npm=(SEMVER,)),
        include=("note.txt",),
    )
    return context(wanted, project, resolve(project, [wanted], Lock()), agent_source)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def tree(made: Context, lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("trees") / made.fingerprint
    install_tree(made, target, lines.append, ca_bundle=str(CA_BUNDLE))
    return target


def run(tree: Path, *argv: str, input: str = "") -> str:
    env = {"PATH": f"{tree}/bin:{os.environ['PATH']}", "HOME": str(tree.parent)}
    done = subprocess.run(argv, env=env, input=input, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_same_layout_as_the_image(tree: Path, made: Context) -> None:
    assert (tree / "fingerprint").read_text() == made.fingerprint
    assert (tree / "files/note.txt").read_text() == "note"
    assert (tree / "agent/handler.py").is_file()
    assert run(tree, f"{tree}/python/bin/python", "-c", "import awslambdaric, boto3") == ""


def test_programs_run(tree: Path) -> None:
    assert run(tree, "semver", "1.2.3", "-i", "minor") == "1.3.0\n"
    assert run(tree, "python3", "-c", "import tabulate; print(tabulate.__version__)") == "0.9.0\n"
    answer = run(tree, f"{tree}/{launcher(CLOCK)}", input=json.dumps(INITIALIZE) + "\n")
    assert json.loads(answer.splitlines()[0])["result"]["serverInfo"]["name"] == "mcp-time"


def test_what_it_cannot_do_is_said(tree: Path, lines: list[str]) -> None:
    assert lines[0] == "not installed without a container (apt): tree"


def test_what_it_does_is_said(lines: list[str]) -> None:
    said = [line for line in lines if line.startswith("installing")]
    assert said == [
        "installing uv and Node",
        "installing pypi:awslambdaric@4.2.2+boto3@1.44.5",
        "installing npm:semver@7.7.3",
        f"installing {CLOCK}",
        f"installing {TABULATE}",
        "installing Node",
    ]
    assert not [line for line in lines if not line or "npm warn" in line]


def test_a_second_tree_shares_the_tools(tree: Path, made: Context) -> None:
    assert [folder.name[:5] for folder in tree.parent.glob("tools-*")] == ["tools"]
    small = replace(made, bundles=(), node=False, files={**made.files, "links.json": File(b"[]")})
    seen: list[str] = []
    (tree.parent / "second/left-behind").mkdir(parents=True)
    install_tree(small, tree.parent / "second", seen.append, str(CA_BUNDLE))
    assert seen == ["not installed without a container (apt): tree"]
    assert not (tree.parent / "second/left-behind").exists(), "half a tree is made anew"
    install_tree(small, tree.parent / "second", seen.append)
    assert len(seen) == 1, "a whole one is left as it is"


def test_a_failure_leaves_nothing(tree: Path, made: Context) -> None:
    name = f"packages/pypi/{CLOCK.name}-{CLOCK.version}/requirements.txt"
    wrong = f"{TABULATE.name}==0.9.0 --hash=sha256:{'0' * 64}\n"
    broken = replace(made, files={**made.files, name: File(wrong.encode())})
    with pytest.raises(BuildError, match=r"installing packages/pypi/mcp-server-time.*[Hh]ash mismatch"):
        install_tree(broken, tree.parent / "broken", lambda line: None, str(CA_BUNDLE))
    assert not (tree.parent / "broken").exists()
