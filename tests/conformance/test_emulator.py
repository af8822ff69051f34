"""AWS's own emulator on the same image, with the same events: as ours where it is right.

Where it is not as Lambda, the difference is asserted too, so that a test tells when AWS mends it.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lambdactl.container import Engine
from tests.runners.conftest import ARN, Runner

emulator = pytest.mark.emulator
COMMAND = ("/opt/venv/bin/python", "-m", "awslambdaric", "functions.handle")
PATH = "/2015-03-31/functions/function/invocations"
FILES = 4096  # of the container
UP = 60.0  # seconds for it to listen
FUNCTION: dict[str, Any] = {"timeout": 8, "memory": 2048}
SETTINGS = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "8", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048"}
TIMED_OUT = (200, b"Task timed out after 8.00 seconds")  # Lambda: a JSON error


@dataclass(frozen=True, slots=True)
class Emulator:
    engine: Engine
    name: str
    address: str

    def __call__(self, do: str, **event: Any) -> tuple[int, bytes]:
        """The HTTP status and body of its answer."""
        data = json.dumps({"do": do, **event}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.address}:8080{PATH}", data, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()

    def log(self) -> str:
        done = self.engine.call("logs", self.name)
        return (done.stdout + done.stderr).decode()


@contextlib.contextmanager
def emulated(
    engine: Engine, image: str, rie: Path, *, command: Sequence[str] = COMMAND, **environment: str
) -> Iterator[Emulator]:
    """A container of the image with the emulator in front, on a bridge of its own and no published port."""
    name = f"lambdactl-test-rie-{uuid.uuid4().hex[:12]}"
    engine.call("network", "create", name)
    try:
        given = [part for each in (SETTINGS | environment).items() for part in ("--env", "=".join(each))]
        mounted = ["--volume", f"{rie}:/opt/rie:ro", "--ulimit", f"nofile={FILES}:{FILES}"]
        options = ["--network", name, "--name", name, *given, *mounted, "--entrypoint", "/opt/rie"]
        engine.call("run", "--detach", *options, image, *command)
        found = json.loads(engine.call("inspect", name).stdout)[0]["NetworkSettings"]["Networks"][name]
        made = Emulator(engine, name, found["IPAddress"])
        _wait(made)
        yield made
    finally:
        engine.call("rm", "--force", "--volumes", name, check=False)
        engine.call("network", "rm", name, check=False)


@pytest.fixture(scope="module")
def theirs(engine: Engine, image: str, rie: Path) -> Iterator[Emulator]:
    with emulated(engine, image, rie) as made:
        yield made


@pytest.fixture(scope="module")
def ours(engine: Engine, image: str) -> Iterator[Any]:
    """Answers with the function's error and the payload."""
    runner = Runner(engine, image)
    with runner.sandbox(**FUNCTION) as invoke:

        def call(do: str, **event: Any) -> tuple[str, bytes]:
            response = invoke(do, **event)
            return response.function_error, response.payload

        yield call
    assert runner.left_behind() == []


def same(ours: bytes, theirs: bytes) -> bool:
    """But for the ids of the two requests, and the ARN that the emulator makes up."""
    return _plain(json.loads(ours)) == _plain(json.loads(theirs))


@emulator("answer")
@emulator("arn")
def test_an_answer(ours: Any, theirs: Emulator) -> None:
    error, mine = ours("echo", word="Grüße")
    status, other = theirs("echo", word="Grüße")
    assert (error, status) == ("", 200)
    assert same(mine, other)
    assert json.loads(mine)["arn"] == ARN
    assert json.loads(other)["arn"] == "arn:aws:lambda:us-east-1:012345678912:function:test_function"


@pytest.mark.parametrize(
    ("do", "event", "status"),
    [
        # Lambda answers 200, and its X-Amz-Function-Error, which the emulator never sends.
        pytest.param("fail", {"text": "no such city"}, 200, marks=emulator("exception")),
        pytest.param("fail", {"text": "x", "times": 100_000}, 200, marks=emulator("exception-long")),
        pytest.param("large", {"size": 7 << 20}, 502, marks=emulator("response-size")),
        pytest.param("leave", {"code": 0}, 502, marks=emulator("exit")),
        pytest.param("leave", {"code": 127}, 502, marks=emulator("exit")),
    ],
)
def test_a_failure(ours: Any, theirs: Emulator, do: str, event: dict[str, Any], status: int) -> None:
    error, mine = ours(do, **event)
    assert error == "Unhandled"
    answered, other = theirs(do, **event)
    assert answered == status
    assert same(mine, other)


@emulator("metadata")
def test_the_metadata_endpoint(ours: Any, theirs: Emulator) -> None:
    assert theirs("metadata")[1] == ours("metadata")[1]


@emulator("warm")
@emulator("reset")
def test_what_is_kept_and_what_is_not(ours: Any, theirs: Emulator) -> None:
    def counts(invoke: Any) -> list[int]:
        invoke("leave", code=1)
        events = [len(json.loads(invoke("count", leave=f"n-{number}")[1])["events"]) for number in range(2)]
        invoke("leave", code=1)
        return [*events, len(json.loads(invoke("count", leave="n-2")[1])["events"])]

    assert counts(ours) == counts(theirs) == [1, 2, 1]


@emulator("freeze")
def test_it_goes_on_between_events(theirs: Emulator) -> None:
    before = json.loads(theirs("tick")[1])["ticks"]
    time.sleep(2)
    assert json.loads(theirs("tick")[1])["ticks"] > before + 20  # of 200


@emulator("timeout")
@emulator("timeout-kill")
def test_the_time_limit(ours: Any, theirs: Emulator) -> None:
    assert json.loads(ours("linger")[1])["errorType"] == "Sandbox.Timedout"
    assert theirs("linger") == TIMED_OUT
    left = json.loads(theirs("beats", seconds=3)[1])
    assert left["more"] > 0  # what it started goes on
    assert not left["terminated"]


@emulator("init-error")
def test_an_exception_of_the_start(engine: Engine, image: str, rie: Path) -> None:
    mine = Runner(engine, image)("echo", environment={"FAIL_AT_START": "1"}, **FUNCTION)
    with emulated(engine, image, rie, FAIL_AT_START="1") as theirs:
        status, other = theirs("echo")
    assert status == 502
    assert same(mine.payload, other)


@emulator("init-exit")
def test_a_start_that_exits(engine: Engine, image: str, rie: Path) -> None:
    with emulated(engine, image, rie, LEAVE_AT_START="1") as theirs:
        assert theirs("echo") == (502, b"")


@emulator("entry-point")
def test_an_entry_point_that_is_not_there(engine: Engine, image: str, rie: Path) -> None:
    with emulated(engine, image, rie, command=("/nowhere",)) as theirs:
        assert theirs("echo") == (502, b"")
        assert "Runtime.InvalidEntrypoint" in theirs.log()


@emulator("init-limit")
def test_a_slow_start(engine: Engine, image: str, rie: Path) -> None:
    """It takes as long as the function may, not ten seconds."""
    settings = {"SLEEP_AT_START": "11", "AWS_LAMBDA_FUNCTION_TIMEOUT": "30"}
    with emulated(engine, image, rie, **settings) as theirs:
        assert theirs("echo")[0] == 200
        took = re.search(r"\(rapid\) INIT REPORT\(durationMs: ([\d.]+)", theirs.log())
        assert took
        assert float(took[1]) >= 11_000


@pytest.mark.parametrize(
    ("what", "theirs_is"),
    [
        pytest.param("user", "nobody", marks=[emulator("user"), emulator("image-user")]),
        pytest.param("write volume", "", marks=emulator("image-volume")),
        pytest.param("shm", True, marks=emulator("shm")),
        pytest.param("no new privileges", 0, marks=emulator("privileges")),
    ],
)
def test_a_sandbox_is_none_of_its_business(seen: dict[str, Any], what: str, theirs_is: object) -> None:
    assert seen[what] == theirs_is


@emulator("files")
@emulator("tmp-size")
def test_limits_are_the_engine_s(seen: dict[str, Any]) -> None:
    assert seen["files"] == FILES
    assert seen["tmp MB"] > 512
    assert seen["tmp full"] == ""


@emulator("read-only")
def test_the_root_file_system_is_writable(theirs: Emulator) -> None:
    changed = theirs.engine.call("diff", theirs.name).stdout.decode()
    theirs("count", leave="in-the-root")
    assert "A /tmp/in-the-root" not in changed
    assert "A /tmp/in-the-root" in theirs.engine.call("diff", theirs.name).stdout.decode()


@emulator("environment")
@emulator("environment-values")
def test_its_environment(seen: dict[str, Any]) -> None:
    environment = set(seen["environment"])
    assert {"HOME", "HOSTNAME", "AWS_LAMBDA_FUNCTION_TIMEOUT"} <= environment
    assert not {"AWS_REGION", "_X_AMZN_TRACE_ID", "AWS_XRAY_DAEMON_ADDRESS", "TZ"} & environment
    assert seen["values"]["AWS_ACCESS_KEY_ID"] == ""
    assert seen["values"]["AWS_LAMBDA_FUNCTION_NAME"] == "test_function"
    assert seen["values"]["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/Functions"


@emulator("memory-used")
def test_its_report(theirs: Emulator) -> None:
    theirs("echo")
    reports = [line for line in theirs.log().splitlines() if line.startswith("REPORT ")]
    assert "Memory Size: 2048 MB\tMax Memory Used: 2048 MB" in reports[-1]


@pytest.fixture(scope="module")
def seen(theirs: Emulator) -> dict[str, Any]:
    return dict(json.loads(theirs("look", fill=80)[1]))


def _plain(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    plain = {name: value for name, value in found.items() if name not in ("arn", "left")}
    plain["requestId"] = bool(plain.get("requestId"))
    if message := plain.get("errorMessage"):
        head, colon, tail = message.partition(" Error: ")
        plain["errorMessage"] = f"RequestId{colon}{tail}" if head.startswith("RequestId: ") else message
    return plain


def _wait(emulator: Emulator) -> None:
    end = time.monotonic() + UP
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < end:
        try:
            opener.open(f"http://{emulator.address}:8080/", timeout=1).close()
            return
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"it does not listen: {emulator.log()}")
