"""up, down, status, endpoint: real daemons with a real ministack, in throwaway projects."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdactl import sandbox
from lambdactl.errors import SandboxError
from lambdactl.project import NO_SCHEDULES, Project
from lambdactl.sandbox.state import Folder, State


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    sandbox.down(tmp_path, purge=True)


def client(service: str, root: Path) -> Any:
    endpoint = sandbox.endpoint(root)
    session = boto3.Session(**sandbox.session_arguments(endpoint))
    return session.client(service, endpoint_url=endpoint.url)


def processes(root: Path) -> dict[int, str]:
    """Every process whose command line or working folder is of this project: the daemon and its child."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            inside = os.readlink(folder / "cwd").startswith(str(root))
        except OSError:
            continue
        if inside or str(root) in text:
            found[int(folder.name)] = text
    return found


def gone(pid: int, within: float = 60) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def fill(root: Path) -> None:
    client("s3", root).create_bucket(Bucket="kept")
    client("s3", root).put_object(Bucket="kept", Key="a/b", Body=b"bytes")
    client("ssm", root).put_parameter(Name="/agents/key", Value="value", Type="SecureString")
    client("iam", root).create_role(RoleName="role", AssumeRolePolicyDocument="{}", Path="/lambdactl/demo/")


def check_filled(root: Path) -> None:
    assert client("s3", root).get_object(Bucket="kept", Key="a/b")["Body"].read() == b"bytes"
    found = client("ssm", root).get_parameter(Name="/agents/key", WithDecryption=True)
    assert found["Parameter"]["Value"] == "value"
    roles = client("iam", root).list_roles(PathPrefix="/lambdactl/demo/")["Roles"]
    assert [role["RoleName"] for role in roles] == ["role"]


def test_from_nothing_to_nothing(root: Path) -> None:
    assert not sandbox.status(root).up
    with pytest.raises(SandboxError, match="lambdactl sandbox up"):
        sandbox.endpoint(root)
    lines: list[str] = []
    first = sandbox.up(root, on_line=lines.append)
    assert first == sandbox.up(root) == sandbox.status(root)
    assert lines == ["starting the embedded AWS"]
    assert client("sts", root).get_caller_identity()["Account"] == sandbox.ACCOUNT

    fill(root)
    sandbox.down(root)
    assert not sandbox.status(root).up
    assert all(gone(pid) for pid in processes(root))

    second = sandbox.up(root)
    assert (second.url, second.model_url) == (first.url, first.model_url)
    check_filled(root)

    sandbox.down(root, purge=True)
    assert not first.folder.exists()
    sandbox.up(root)
    assert client("s3", root).list_buckets()["Buckets"] == []


def test_down_without_anything_is_fine(tmp_path: Path) -> None:
    sandbox.down(tmp_path, purge=True)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_daemon_takes_its_emulator_with_it_and_loses_nothing(root: Path) -> None:
    first = sandbox.up(root)
    fill(root)
    pids = processes(root)
    assert len(pids) == 2
    os.kill(first.pid, signal.SIGKILL)
    assert all(gone(pid) for pid in pids)
    assert not sandbox.status(root).up
    assert sandbox.up(root).url == first.url
    check_filled(root)


def test_up_right_after_a_kill_waits_for_the_state(root: Path) -> None:
    first = sandbox.up(root)
    fill(root)
    os.kill(first.pid, signal.SIGKILL)
    gone(first.pid)
    sandbox.up(root)
    check_filled(root)


def test_a_daemon_whose_emulator_ends_ends_too(root: Path) -> None:
    first = sandbox.up(root)
    (emulator,) = processes(root).keys() - {first.pid}
    os.kill(emulator, signal.SIGKILL)
    assert gone(first.pid)
    assert not sandbox.status(root).up
    assert sandbox.up(root).pid != first.pid


def test_many_ups_at_once_start_one(root: Path) -> None:
    code = (
        "import sys, pathlib; from lambdactl import sandbox; print(sandbox.up(pathlib.Path(sys.argv[1])).pid)"
    )

    def up(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True
        ).stdout

    with ThreadPoolExecutor(4) as pool:
        pids = set(pool.map(up, range(4)))
    assert len(pids) == 1
    assert len(processes(root)) == 2


def test_two_projects_side_by_side(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        root.mkdir()
    try:
        assert sandbox.up(here).url != sandbox.up(there).url
        client("s3", here).create_bucket(Bucket="only-here")
        assert client("s3", there).list_buckets()["Buckets"] == []
        sandbox.down(there)
        assert [b["Name"] for b in client("s3", here).list_buckets()["Buckets"]] == ["only-here"]
    finally:
        for root in (here, there):
            sandbox.down(root, purge=True)


def test_a_port_that_somebody_else_has_taken(root: Path) -> None:
    first = sandbox.up(root)
    sandbox.down(root)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", int(first.url.rpartition(":")[2])))
        squatter.listen()
        second = sandbox.up(root)
    assert second.url != first.url
    assert client("sts", root).get_caller_identity()["Account"] == sandbox.ACCOUNT


def test_another_engine_is_refused(root: Path) -> None:
    assert sandbox.up(root, engine="process").engine == "process"
    assert sandbox.up(root).engine == "process"
    with pytest.raises(SandboxError, match="'process', not 'podman'"):
        sandbox.up(root, engine="podman")


def test_the_real_model_can_be_chosen(root: Path) -> None:
    assert sandbox.up(root, scripted_model=False).model_url == ""


def test_but_not_of_one_that_is_up_with_the_scripted_model(root: Path) -> None:
    sandbox.up(root, engine="process")
    with pytest.raises(SandboxError, match="with the scripted model"):
        sandbox.up(root, scripted_model=False)


def test_what_it_writes_is_for_its_owner_only(root: Path) -> None:
    up = sandbox.up(root)
    assert stat.S_IMODE(up.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((up.folder / "state.json").stat().st_mode) == 0o600
    assert json.loads((up.folder / "state.json").read_text())["pid"] == up.pid


def test_it_knows_nothing_of_the_users_aws(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALREALREALREAL")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://real.example")
    sandbox.up(root)
    for pid in processes(root):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"AWS_" not in environment
        assert b"real" not in environment
    session = boto3.Session(**sandbox.session_arguments(sandbox.endpoint(root)))
    found = session.get_credentials().get_frozen_credentials()
    assert (found.access_key, found.token) == ("LAMBDACTLSANDBOX", None)
    assert client("s3", root).meta.endpoint_url == sandbox.endpoint(root).url


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_it_listens_on_loopback_only(root: Path) -> None:
    sandbox.up(root)
    inodes = set()
    for pid in processes(root):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            name = os.readlink(descriptor)
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (fields[3] == "0A" or table.startswith("udp")):
                listening.append(fields[1].split(":")[0])
    assert len(listening) == 3  # front, the door for containers, model; the emulator has a socket of ours
    assert set(listening) == {"0100007F"}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"pid": 1}'])
def test_a_daemon_of_another_version_is_an_error_and_not_a_riddle(tmp_path: Path, text: str) -> None:
    folder = Folder.of(tmp_path)
    folder.make()
    assert folder.be_alive(0)
    (folder.path / "state.json").write_text(text)
    with pytest.raises(SandboxError, match="version that started it"):
        sandbox.status(tmp_path)


def test_what_a_newer_daemon_says_besides_is_no_matter(tmp_path: Path) -> None:
    folder = Folder.of(tmp_path)
    folder.make()
    assert folder.be_alive(0)
    state = State(pid=1, started="", url="http://127.0.0.1:9", door_url="", model_url="", engine="")
    (folder.path / "state.json").write_text(json.dumps({**asdict(state), "newer": 1}))
    assert folder.read() == state


@pytest.mark.parametrize(("enabled", "said"), [("true", [NO_SCHEDULES]), ("false", [])])
def test_that_nothing_runs_by_a_schedule_here_is_said(root: Path, enabled: str, said: list[str]) -> None:
    shutil.copy(Path(__file__).parents[2] / "lambdactl.lock", root)
    (root / "lambdactl.yaml").write_text("project: demo\nsandbox: true\n")
    (root / "jobs").mkdir()
    (root / "jobs" / "a.yaml").write_text(
        "agent: { type: command, command: ['true'] }\nprefix: a/\n"
        f"schedule: {{ expression: rate(1 hour), enabled: {enabled} }}\n"
    )
    sandbox.up(root, engine="process")
    made = Project.open(root).plan()
    assert "schedule.a" in [str(step.address) for step in made.steps]
    assert list(made.notes) == said
