"""The same runner on podman, as root: what differs between the engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdactl.container import Engine
from tests.runners.conftest import Runner
from tests.support import require


@pytest.fixture(scope="module")
def on_podman(
    podman: Engine, engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    rootless = podman.call("info", "--format", "{{.Host.Security.Rootless}}").stdout.strip() == b"true"
    if rootless:
        require.missing("podman as root", "its rootless bridges are not on this machine")
    if engine.name == "podman":
        yield Runner(podman, image)
        return
    folder = tmp_path_factory.mktemp("podman")
    with pytest.MonkeyPatch.context() as environment:
        if shutil.which("runc"):  # crun, its default, does without cgroup v1
            (folder / "containers.conf").write_text('[engine]\nruntime = "runc"\n')
            environment.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        engine.call("save", "--output", str(folder / "image.tar"), image)
        loaded = podman.call("load", "--quiet", "--input", str(folder / "image.tar"), timeout=120).stdout
        runner = Runner(podman, loaded.decode().split()[-1])
        yield runner
        podman.call("rmi", "--force", runner.image, check=False)


def test_an_answer_and_the_sandbox(on_podman: Runner) -> None:
    response = on_podman("look", environment={"GIVEN": "a\nb"}, ephemeral_storage=64, fill=80)
    assert response.function_error == "", response.payload
    seen = json.loads(response.payload)
    assert not {"HOME", "HOSTNAME", "USER", "TERM", "container"} & set(seen["environment"])
    found = [
        seen[name] for name in ("given", "uid", "write /var", "write volume", "tmp MB", "shm", "pdeathsig")
    ]
    assert found == ["a\nb", 993, "EROFS", "EROFS", 64, False, "EPERM"]
    assert on_podman.left_behind() == []


def test_a_run_folder_and_a_kill(on_podman: Runner, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    response = on_podman("output", then="hang", timeout=1, run_folder=tmp_path)
    assert b"Sandbox.Timedout" in response.payload
    assert (tmp_path / "out/result.json").read_text() == "{}"
    assert on_podman.left_behind() == []


def test_a_sandbox_over_several_events(on_podman: Runner) -> None:
    """Warm, frozen, reset with the same /tmp, and held to its memory."""
    with on_podman.sandbox(timeout=5, memory=128, ephemeral_storage=256) as invoke:
        first = json.loads(invoke("count", leave="a", request_id="r-1").payload)
        second = json.loads(invoke("count", leave="b", request_id="r-2").payload)
        assert (second["events"], second["pid started"]) == (["r-1", "r-2"], first["pid started"])
        assert json.loads(invoke("hang").payload)["errorType"] == "Sandbox.Timedout"
        third = json.loads(invoke("count", leave="c", request_id="r-4").payload)
        assert (third["events"], third["found"]) == (["r-4"], ["a", "b"])
        assert invoke("fill", tmp=200, megabytes=10).payload == b"%d" % (10 << 20)
        assert b"signal: killed" in invoke("hungry", megabytes=200).payload
        assert "Error Type: Runtime.OutOfMemory" in on_podman.lines[-1]
    assert on_podman.left_behind() == []
