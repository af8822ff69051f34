"""The other way to a container: no bridge of this machine, no port; a holder carries the connections."""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners import network
from lambdactl.runners.bridge import BridgeServer
from lambdactl.runners.create import Image, Place, holder_arguments, read_image
from lambdactl.runners.host import Host
from lambdactl.runners.network import TRANSPORT, Network
from lambdactl.runners.owner import Owner, sweep
from lambdactl.runners.protocol import Relay
from tests.runners.conftest import Runner, held


@pytest.fixture
def carried(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A runner whose servers may listen nowhere."""
    monkeypatch.setenv(TRANSPORT, "sidecar")
    monkeypatch.setattr(BridgeServer, "server_bind", lambda self: pytest.fail("it listens on this machine"))
    return runner


def answer(response: Any) -> Any:
    return json.loads(response.payload)


def test_an_answer_and_a_log(carried: Runner) -> None:
    response = carried("echo", word="Grüße", request_id="r-1")
    assert response.function_error == "", response.payload
    assert answer(response)["event"] == {"do": "echo", "word": "Grüße"}
    assert "START RequestId: r-1 Version: $LATEST" in carried.lines
    assert "hello from inside" in carried.lines
    assert not any(line.startswith("lambdactl:") for line in carried.lines)


def test_the_sandbox_is_the_same(carried: Runner) -> None:
    """The function's container has nothing of the holder: neither its processes nor its volumes."""
    seen = answer(carried("look", environment={"GIVEN": "x"}, ephemeral_storage=64, fill=80))
    found = [seen[name] for name in ("uid", "write /var", "write volume", "tmp MB", "tmp full", "shm")]
    assert found == [993, "EROFS", "EROFS", 64, "ENOSPC", False]
    assert not any("Carries TCP" in line for line in seen["command lines"])


def test_an_exception_of_100_kb(carried: Runner) -> None:
    assert answer(carried("fail", text="x", times=100_000))["errorMessage"] == "x" * 100_000


def test_a_response_of_almost_6_mb_and_one_beyond(carried: Runner) -> None:
    assert len(answer(carried("large", size=6_291_000))) == 6_291_000
    assert answer(carried("large", size=7 << 20))["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_handler_that_hangs(carried: Runner) -> None:
    response = carried("hang", timeout=1, request_id="r-1")
    assert answer(response)["errorType"] == "Sandbox.Timedout"
    assert response.duration_ms >= 1000


def test_several_at_once(carried: Runner) -> None:
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(lambda word: carried("echo", word=word), ["a", "b", "c"]))
    assert [answer(each)["event"]["word"] for each in responses] == ["a", "b", "c"]


def test_a_relay_reaches_one_port_of_this_machine(carried: Runner) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), _Greeting) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        relay = Relay("MODEL_URL", ("127.0.0.1", int(server.server_address[1])), "/path")
        response = carried("fetch", variable="MODEL_URL", relays=(relay,))
        server.shutdown()
    assert answer(response) == "hello from the host, /path"


def test_events_one_after_the_other(carried: Runner) -> None:
    """Warm, frozen, and started anew: each runtime finds the same address."""
    with carried.sandbox() as invoke:
        first = answer(invoke("count", leave="a", request_id="r-1"))
        second = answer(invoke("count", leave="b", request_id="r-2"))
        assert (second["events"], second["pid started"]) == (["r-1", "r-2"], first["pid started"])
        assert answer(invoke("leave", code=1))["errorType"] == "Runtime.ExitError"
        third = answer(invoke("count", leave="c", request_id="r-4"))
        assert (third["events"], third["found"]) == (["r-4"], ["a", "b"])


def test_the_run_folder(carried: Runner, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"a": 1}')
    assert carried("output", run_folder=tmp_path).function_error == ""
    assert json.loads((tmp_path / "out/result.json").read_text()) == {"a": 1}


def test_the_holder_is_as_narrow_as_can_be(carried: Runner) -> None:
    with held(carried) as (_, holder):
        found = json.loads(carried.engine.call("inspect", holder).stdout)[0]
        networks = found["NetworkSettings"]["Networks"]
        assert list(networks) == [holder.removesuffix("-holder")]
        (address,) = (each["IPAddress"] for each in networks.values())
        assert address.startswith("169.254.")
        assert address.endswith(".1")
        assert not network.is_ours(address)
        assert not any(found["NetworkSettings"]["Ports"].values())
        given = found["HostConfig"]
        assert (given["ReadonlyRootfs"], given["CapDrop"], given["PidsLimit"]) == (True, ["ALL"], 16)
        assert given["Memory"] == given["MemorySwap"] == 64 << 20
        assert given["LogConfig"]["Type"] == "none"
        assert found["Config"]["User"] == "993:990"
        assert not [each for each in found["Mounts"] if each["Type"] == "bind"]  # nothing of this machine


def test_a_holder_that_is_killed_ends_the_run_and_is_told(carried: Runner) -> None:
    def kill() -> None:
        while "hanging" not in carried.lines:
            time.sleep(0.05)
        names = carried.engine.call("ps", "--format", "{{.Names}}").stdout.decode().split()
        mine = [name for name in names if str(Owner.this()) in name and name.endswith("-holder")]
        carried.engine.call("kill", *mine)

    killing = threading.Thread(target=kill)
    killing.start()
    response = carried("hang", timeout=600)
    killing.join()
    assert answer(response)["errorType"] == "Runtime.ExitError"
    assert any("that carries the sandbox's connections ended" in line for line in carried.lines)


def test_an_image_without_python(carried: Runner) -> None:
    image = read_image(carried.engine, carried.made("")[0])
    broken = replace(image, command=("/nonexistent/python3", "-m", "awslambdaric"))
    with pytest.raises(RunError, match="/nonexistent/python3"), held(carried, broken):
        pass


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("/opt/python/bin/python3.12", "-m", "awslambdaric"), "/opt/python/bin/python3.12"),
        (("python", "-m", "awslambdaric"), "python"),
        (("/lambda-entrypoint.sh", "app.handler"), "/usr/bin/env python3"),
        (("/usr/bin/python-config",), "/usr/bin/env python3"),
    ],
)
def test_the_python_that_runs_the_holder(command: tuple[str, ...], expected: str, engine: Engine) -> None:
    image = Image(id="i", architecture="amd64", command=command, handler="", environment={}, volumes=())
    place = Place(
        name="n",
        label="l",
        network="n",
        passwd=Path("passwd"),
        group=Path("group"),
        seccomp=Path("seccomp"),
        tmp="n-tmp",
        run_volume="",
        host=Host(cpus=1, memory=1024, architecture="amd64"),
        holder_address="169.254.107.1",
    )
    found = holder_arguments(engine, image, place)
    begin = found[found.index("--entrypoint") + 1 : found.index("-I")]
    assert " ".join(word for word in begin if word != "i") == expected
    assert found[found.index("--ip") + 1] == found[-1] == "169.254.107.1"


def test_the_holder_ends_by_itself_when_lambdactl_is_killed(
    engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRANSPORT, "sidecar")
    (tmp_path / "in.json").write_text("{}")
    argv = [sys.executable, "-m", "tests.runners.other_process", engine.executable, image, "hang"]
    process = subprocess.Popen(
        [*argv, str(tmp_path)], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert any(line.strip() == "hanging" for line in process.stdout)
    assert len(_holders(engine, process.pid)) == 1
    process.kill()
    # Not waited for yet: as long as it is in the table of processes, no run of another test sweeps.
    until = time.monotonic() + 60
    while _holders(engine, process.pid) and time.monotonic() < until:
        time.sleep(0.2)
    assert _holders(engine, process.pid) == []
    assert len(_holders(engine, process.pid, "--all")) == 1
    process.wait()
    sweep(engine)
    while _holders(engine, process.pid, "--all"):  # another test's sweep may be about it
        assert time.monotonic() < until
        time.sleep(0.2)


# The choice


def test_the_bridge_where_it_is_on_this_machine(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRANSPORT, raising=False)
    with _network(runner.engine) as net:
        assert (net.transport, net.gateway) == ("bridge", net.address)
        assert network.is_ours(net.address)


def test_the_sidecar_where_the_bridge_is_elsewhere(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with an engine in a virtual machine: the gateway that it made is no address of this one."""
    monkeypatch.delenv(TRANSPORT, raising=False)
    monkeypatch.setattr(network, "is_ours", lambda address: False)
    with _network(runner.engine) as net:
        assert (net.transport, net.gateway[-4:], net.address[-2:]) == ("sidecar", ".254", ".1")
        found = json.loads(runner.engine.call("network", "inspect", net.name).stdout)
        assert found[0]["IPAM"]["Config"][0]["Gateway"] == net.gateway
    assert runner.left_behind() == []


def test_the_bridge_by_force_where_it_is_elsewhere(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRANSPORT, "bridge")
    monkeypatch.setattr(network, "is_ours", lambda address: False)
    with pytest.raises(RunError, match=r"not on this machine .*; unset LAMBDACTL_TRANSPORT"):
        runner("echo")


def test_a_transport_that_is_none(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRANSPORT, "carrier pigeon")
    with pytest.raises(RunError, match="'carrier pigeon'; say bridge or sidecar"):
        runner("echo")


class _Greeting(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        path = self.rfile.readline().split()[1]
        body = b"hello from the host, " + path
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@contextmanager
def _network(engine: Engine) -> Iterator[Network]:
    owner = Owner.this()
    with network.opened(engine, owner.new_name(), owner) as net:
        yield net


def _holders(engine: Engine, pid: int, *options: str) -> list[str]:
    """Those that run; with --all, those that ended too."""
    names = engine.call("ps", *options, "--format", "{{.Names}}").stdout.decode().split()
    mine = [name for name in names if (owner := Owner.of(name)) and owner.pid == pid]
    return [name for name in mine if name.endswith("-holder")]
