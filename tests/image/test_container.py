"""Finding an engine, with real programs on a PATH of our own; what its children get to see."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lambdactl import container
from lambdactl.container import Engine
from lambdactl.errors import BuildError, MissingTool, RunError


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


MODERN = 'case "$1" in version) echo "28.2.2 28.2.2";; --version) echo Docker;; *) exit {buildx};; esac'
OLD = 'case "$1" in version) echo "20.10.24+dfsg1 20.10.24";; --version) echo Docker;; *) exit 0;; esac'
NO_DAEMON = 'case "$1" in --version) echo Docker;; *) echo "Cannot connect to the daemon" >&2; exit 1;; esac'


def test_a_client_that_cannot_build_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "a", "docker", MODERN.format(buildx=1))
    second = program(tmp_path / "b", "docker", OLD)
    path = f"{tmp_path}/empty:{tmp_path}/a:{tmp_path}/b"
    assert container.find(path=path) == Engine(name="docker", executable=str(second))


def test_buildx_is_noticed_where_build_uses_it(tmp_path: Path) -> None:
    program(tmp_path / "a", "docker", MODERN.format(buildx=0))
    program(tmp_path / "b", "docker", OLD)
    assert container.find(path=str(tmp_path / "a")).buildx
    assert not container.find(path=str(tmp_path / "b")).buildx


def test_podman_is_the_second_choice_and_can_be_the_first(tmp_path: Path) -> None:
    program(tmp_path / "a", "podman", "echo podman")
    program(tmp_path / "a", "docker", OLD)
    assert container.find(path=str(tmp_path / "a")).name == "docker"
    assert container.find("podman", path=str(tmp_path / "a")).name == "podman"


def test_podman_called_docker_is_podman(tmp_path: Path) -> None:
    program(tmp_path / "a", "docker", "echo podman version 4.3.1")
    assert container.find(path=str(tmp_path / "a")).name == "podman"


def test_none_says_why_and_what_to_do(tmp_path: Path) -> None:
    program(tmp_path / "a", "docker", MODERN.format(buildx=1))
    program(tmp_path / "b", "docker", NO_DAEMON)
    with pytest.raises(MissingTool) as absent:
        container.find(path=f"{tmp_path}/a:{tmp_path}/b")
    assert "a/docker: no buildx" in absent.value.why
    assert "b/docker: Cannot connect to the daemon" in absent.value.why
    assert "apt-get install docker.io" in absent.value.hint
    with pytest.raises(MissingTool, match=str(tmp_path / "nowhere")):
        container.find(str(tmp_path / "nowhere"))


def test_children_get_what_the_client_needs_and_what_they_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(name="docker", executable=str(program(tmp_path, "docker", "env; cat")))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for docker")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere")
    seen = engine.call("run", env={"GIVEN": "1"}, input=b"input").stdout.decode()
    assert "GIVEN=1" in seen
    assert "DOCKER_HOST=unix:///somewhere" in seen
    assert seen.endswith("input")
    assert "AWS_" not in seen
    assert "PROXY" not in seen
    with engine.spawn("run", env={"GIVEN": "2"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert b"GIVEN=2" in process.stdout.read()


def test_failures_carry_the_last_words(tmp_path: Path) -> None:
    engine = Engine(
        name="docker", executable=str(program(tmp_path, "docker", "echo no such image >&2; exit 3"))
    )
    with pytest.raises(RunError, match=r"docker inspect failed \(no such image\)"):
        engine.call("inspect", "x")
    with pytest.raises(BuildError):
        engine.call("inspect", "x", error=BuildError)
    assert engine.call("inspect", "x", check=False).returncode == 3


def test_a_time_limit(tmp_path: Path) -> None:
    engine = Engine(name="docker", executable=str(program(tmp_path, "docker", "exec sleep 20")))
    with pytest.raises(RunError, match=r"docker info did not end within 0\.2 s"):
        engine.call("info", timeout=0.2)


def test_a_client_that_a_terminal_s_ctrl_c_met_too_early_is_started_again(tmp_path: Path) -> None:
    """Between its birth and its own session it is in the terminal's group."""
    once = '[ -e "$0.once" ] && { echo done; exit 0; }; touch "$0.once"; kill -INT $$; sleep 60'
    engine = Engine(name="docker", executable=str(program(tmp_path, "docker", once)), buildx=False)
    assert engine.call("version").stdout == b"done\n"
