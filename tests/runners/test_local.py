"""One invocation in a real container: what comes back, and that nothing stays."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdactl.errors import RunError
from lambdactl.runners import local
from lambdactl.runners.owner import Owner, sweep
from lambdactl.runners.protocol import Relay
from tests.runners.conftest import Runner, variant
from tests.support import require

SECRET = "a secret\nof two lines"


def answer(response: Any) -> Any:
    return json.loads(response.payload)


def test_an_image_that_is_not_there(runner: Runner) -> None:
    with pytest.raises(RunError, match="no image lambdactl-test-none"):
        runner("echo", image="lambdactl-test-none:1")


@pytest.mark.row("architecture")
def test_an_image_of_another_architecture(runner: Runner) -> None:
    other = "x86_64" if runner.made("echo")[0].architecture == "arm64" else "arm64"
    with pytest.raises(RunError, match="the image is for"):
        runner("echo", architecture=other)


def test_a_variable_that_would_lead_the_engine_s_client_astray(runner: Runner) -> None:
    with pytest.raises(RunError, match="DOCKER_HOST") as refused:
        runner("echo", environment={"DOCKER_HOST": "tcp://192.0.2.1:1"})
    assert "192.0.2.1" not in str(refused.value)


def test_a_soft_stop(runner: Runner, tmp_path: Path) -> None:
    """SIGTERM, then the function's own answer; its folder is brought out."""
    (tmp_path / "in.json").write_text("{}")
    response = _stopped(runner, "output", then="cancelled", run_folder=tmp_path)
    assert answer(response) == {"outcome": "cancelled"}
    assert (tmp_path / "out/result.json").read_text() == "{}"


def test_a_stop_before_it_began(runner: Runner) -> None:
    """The event is not handed out, and a start that is under way is not waited for."""
    stop = threading.Event()
    stop.set()
    response = runner("echo", stop=stop, environment={"HANG_AT_START": "1"})
    assert response.function_error == "Unhandled"
    assert b"Timedout" not in response.payload
    assert not any(line.startswith("INIT_REPORT") for line in runner.lines)
    assert "hello from inside" not in runner.lines
    assert not any("-" in line.partition("Duration:")[2][:3] for line in runner.lines)


def test_a_second_stop_kills_and_still_brings_the_folder_out(engine: Any, image: str, tmp_path: Path) -> None:
    """As the command line does it: first the event, then KeyboardInterrupt, in another process."""
    (tmp_path / "in.json").write_text("{}")
    process = _other_process(engine, image, "stubborn", tmp_path)
    _read_until(process, "waiting")
    process.send_signal(2)
    _read_until(process, "stopping")  # two signals that come at once are one
    process.send_signal(2)
    assert process.wait(60) == 130
    assert (tmp_path / "out/result.json").read_text() == "{}"
    assert _of(engine, process.pid) == []


def test_what_a_killed_lambdactl_left_is_swept(engine: Any, image: str, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    process = _other_process(engine, image, "hang", tmp_path)
    _read_until(process, "hanging")
    assert len(_of(engine, process.pid)) >= 3
    sweep(engine)
    assert len(_of(engine, process.pid)) >= 3  # its owner lives
    process.kill()
    process.wait()
    _swept(engine, lambda: not _of(engine, process.pid))


def test_what_a_killed_lambdactl_left_frozen_is_swept(runner: Runner) -> None:
    """As if it were another's: nothing of it runs, and it cannot end by itself."""
    with runner.sandbox() as invoke:
        invoke("echo")
        names = [name for name in runner.left_behind() if name.endswith("-1")]
        state = runner.engine.call("inspect", "--format", "{{.State.Status}}", *names).stdout.split()
        assert state == [b"paused"]
        dead = names[0].replace(str(Owner.this()), f"{Owner.this().machine}-{os.getpid()}-1")
        runner.engine.call("rename", names[0], dead)
        listing = ("ps", "--all", "--format", "{{.Names}}")
        _swept(runner.engine, lambda: dead not in runner.engine.call(*listing).stdout.decode())


def test_a_runtime_that_is_gone_before_it_is_frozen(runner: Runner) -> None:
    """Its answer counts, and the next event gets another runtime."""
    with runner.sandbox() as invoke:
        for _ in range(3):
            assert answer(invoke("leave later")) == "answered"
        assert answer(invoke("count", leave="a", request_id="r-1"))["events"] == ["r-1"]


def test_names_of_others_are_nobody_s() -> None:
    assert Owner.of("lambdactl-run-x") is None
    assert Owner.of("postgres") is None
    mine = Owner.this()
    assert Owner.of(mine.new_name()) == mine
    assert Owner.of(f"{mine.new_name()}-holder") == mine
    assert not mine.is_gone()
    assert not Owner("elsewhere", mine.pid, "1").is_gone()


def test_a_relay_reaches_one_port_of_this_machine(runner: Runner) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), _Greeting) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        port = int(server.server_address[1])
        relay = Relay("MODEL_URL", ("127.0.0.1", port), "/path")
        response = runner("fetch", variable="MODEL_URL", relays=(relay,))
        server.shutdown()
    assert answer(response) == "hello from the host, /path"


def test_the_run_volume_goes_in_and_comes_out_after_a_kill(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"a": 1}')
    response = runner("output", then="hang", timeout=5, run_folder=tmp_path)
    assert "Sandbox.Timedout" in response.payload.decode()
    assert json.loads((tmp_path / "out/result.json").read_text()) == {"a": 1}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["result.json"]
    assert sum("not a file" in line for line in runner.lines) == 2


def test_what_a_job_made_of_its_volume_comes_out_as_far_as_it_may(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    (tmp_path / "out").mkdir()
    # A terabyte, read to its end, would take longer than a test may.
    assert runner("hostile", links=30, gigabytes=1000, run_folder=tmp_path).function_error == ""
    assert (tmp_path / "in.json/x").is_dir()
    assert (tmp_path / "out").read_text() == "no folder"
    assert not (tmp_path / "z-sparse").exists()
    said = [line for line in runner.lines if line.startswith("lambdactl: ")]
    assert sum("not a file" in line for line in said) == 10
    assert "z-sparse' and all after it stayed in the container" in said[-2]
    assert said[-1] == "lambdactl: 20 more were left in the container"


def test_secrets_are_in_no_argument(runner: Runner) -> None:
    """`docker inspect` shows the environment to whoever may talk to the engine; nothing else does."""
    seen: list[str] = []
    stop = threading.Event()

    def look() -> None:
        mine = str(Owner.this())
        while not seen and not stop.is_set():
            names = runner.engine.call(
                "ps", "--filter", f"name={mine}", "--format", "{{.Names}}"
            ).stdout.decode()
            for name in [each for each in names.split() if not each.endswith("-holder")]:
                found = json.loads(runner.engine.call("inspect", name).stdout)[0]
                seen.append(json.dumps([found["Path"], found["Args"], found["Config"]["Cmd"]]))
                seen.extend(found["Config"]["Env"])
        stop.set()

    watching = threading.Thread(target=look)
    watching.start()
    runner("cancelled", stop, timeout=60, environment={"GIVEN": SECRET})
    stop.set()
    watching.join()
    assert "secret" not in seen[0]
    assert f"GIVEN={SECRET}" in seen


def test_a_firewall_that_keeps_containers_from_this_machine(runner: Runner) -> None:
    """A runtime only says that nobody answered it, or says nothing until its time is up."""
    if os.geteuid() != 0 or not shutil.which("iptables"):
        require.missing("iptables as root", "apt-get install iptables")
    function, invocation = runner.made("echo", timeout=900)
    with local.opened(function, runner.engine, runner.lines.append) as sandbox:
        address, _, port = sandbox.variables["AWS_LAMBDA_RUNTIME_API"].partition(":")
        rule = ["INPUT", "--destination", address, "--protocol", "tcp", "--dport", port, "--jump", "DROP"]
        subprocess.run(["iptables", "--wait", "--insert", *rule], check=True)
        try:
            with pytest.raises(
                RunError, match=f"cannot reach the Lambda Runtime API at {address}"
            ) as refused:
                sandbox.invoke(invocation)
        finally:
            subprocess.run(["iptables", "--wait", "--delete", *rule], check=True)
    assert "LAMBDACTL_TRANSPORT=sidecar" in str(refused.value.hint)


def test_extensions_that_are_not_started_are_said(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "extensions").mkdir()
    with variant(runner, opt=tmp_path / "extensions") as none:
        runner("echo", image=none)
    assert not any(line.startswith("lambdactl: not as in Lambda") for line in runner.lines)
    (tmp_path / "extensions/spy").write_text("#!/bin/sh\n")
    with variant(runner, opt=tmp_path / "extensions") as one:
        runner("echo", image=one)
    assert f"lambdactl: not as in Lambda: {local.EXTENSIONS}" in runner.lines


class _Greeting(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        path = self.rfile.readline().split()[1]
        body = b"hello from the host, " + path
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def _stopped(runner: Runner, do: str, **options: Any) -> Any:
    """Invoke, and stop it once it says that it waits."""
    stop = threading.Event()

    def watch() -> None:
        while "waiting" not in runner.lines:
            time.sleep(0.02)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    return runner(do, stop=stop, **options)


def _other_process(engine: Any, image: str, do: str, folder: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tests.runners.other_process", engine.executable, image, do, str(folder)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, text=True)


def _read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout
    said = []
    for each in process.stdout:
        if each.strip() == line:
            return
        said.append(each)
    pytest.fail(f"it ended before saying {line!r}: {said}")


def _swept(engine: Any, gone: Callable[[], bool]) -> None:
    """Each run sweeps as it begins, those of other tests too: one of them may be about it already."""
    end = time.monotonic() + 60
    sweep(engine)
    while not gone():
        assert time.monotonic() < end
        time.sleep(0.1)


def _of(engine: Any, pid: int) -> list[str]:
    """Containers, networks and volumes of a process."""
    listings = (["ps", "--all", "--format", "{{.Names}}"], ["network", "ls", "--format", "{{.Name}}"],
                ["volume", "ls", "--format", "{{.Name}}"])  # fmt: skip
    found = [name for each in listings for name in engine.call(*each).stdout.decode().split()]
    return [name for name in found if (owner := Owner.of(name)) and owner.pid == pid]
