"""Invoke: what boto3 sees of it, with real processes as functions and ministack's Lambda, ECR and Logs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdactl.errors import RunError
from lambdactl.runners import trace
from lambdactl.runners.protocol import Invocation
from lambdactl.sandbox.answers import Answer
from lambdactl.sandbox.emulator import Emulator
from lambdactl.sandbox.front import Front
from lambdactl.sandbox.functions import Function, Functions, name_of
from lambdactl.sandbox.invoke import Invoker
from lambdactl.sandbox.layers import invoke, narrow

REPOSITORY = "lambdactl/demo/main"
REGISTRY = "sandbox.invalid"


@dataclass
class Processes:
    """Runs the program in the function's variable PROGRAM: event in, lines and the last one out."""

    ran: list[tuple[Function, str]] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)

    def __call__(
        self,
        function: Function,
        invocation: Invocation,
        on_line: Callable[[str], None],
        stop: threading.Event,
    ) -> Answer:
        self.ran.append((function, invocation.request_id))
        self.invocations.append(invocation)
        if "PROGRAM" not in function.environment:
            raise RunError("no such image in the engine", hint="apply again")
        child = subprocess.Popen(
            [sys.executable, "-c", function.environment["PROGRAM"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(invocation.event.decode())
        child.stdin.close()
        threading.Thread(target=end, args=(child, stop), daemon=True).start()
        lines = [line.rstrip("\n") for line in child.stdout]
        for line in lines:
            on_line(line)
        code = child.wait()
        last = (lines or ["null"])[-1].encode()
        return Answer(
            payload=last, function_error="Unhandled" if code else "", log_tail="\n".join(lines).encode()
        )


def end(child: subprocess.Popen[str], stop: threading.Event) -> None:
    stop.wait()
    child.terminate()


@dataclass
class Site:
    client: Callable[..., Any]
    run: Processes
    invoker: Invoker
    emulator: str

    def deploy(self, program: str | None = None, **settings: Any) -> str:
        """A function whose image is known to the registry by digest, as `apply` leaves it."""
        name = f"demo-main-{os.urandom(4).hex()}"
        manifest = json.dumps({"schemaVersion": 2, "layers": [], "name": name})
        self.client("ecr").put_image(
            repositoryName=REPOSITORY,
            imageManifest=manifest,
            imageManifestMediaType="application/vnd.docker.distribution.manifest.v2+json",
            imageTag=f"tag-{name}",
        )
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        self.client("lambda").create_function(
            FunctionName=name,
            Role="arn:aws:iam::000000000000:role/x",
            PackageType="Image",
            Code={"ImageUri": f"{REGISTRY}/{REPOSITORY}@{digest}"},
            Environment={"Variables": {} if program is None else {"PROGRAM": program}},
            **{"Timeout": 30, "MemorySize": 512, "EphemeralStorage": {"Size": 1024}, **settings},
        )
        self.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
        return name

    def lines(self, name: str) -> list[str]:
        found = self.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return [event["message"] for event in found]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("emulator")
    with (
        open(folder / "log", "wb") as log,
        Emulator(folder / "state", account="000000000000", region="us-east-1", log=log) as emulator,
        Front(emulator.url) as direct,
    ):
        made(direct.url)("ecr").create_repository(repositoryName=REPOSITORY)
        yield direct.url


def made(url: str) -> Callable[..., Any]:
    session = boto3.Session("made", "up", region_name="us-east-1")

    def client(service: str, endpoint: str = url) -> Any:
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=20)
        return session.client(service, endpoint_url=endpoint, config=config)

    return client


@pytest.fixture
def site(emulator: str) -> Iterator[Site]:
    run = Processes()
    direct = made(emulator)
    functions = Functions(direct("lambda"), direct("ecr"))
    invoker = Invoker(functions, direct("logs"), run, at_once=4, async_wait=0.05)
    with Front(emulator, [invoke(invoker)]) as front:
        yield Site(client=made(front.url), run=run, invoker=invoker, emulator=emulator)
        invoker.close()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not come true"
        time.sleep(0.02)


ECHO = "import sys; print('working'); print(sys.stdin.read())"


def test_a_function_runs_with_what_it_was_deployed_with(site: Site) -> None:
    name = site.deploy(ECHO)
    answer = site.client("lambda").invoke(FunctionName=name, Payload=b'{"a": [1]}', LogType="Tail")
    assert json.loads(answer["Payload"].read()) == {"a": [1]}
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert base64.b64decode(answer["LogResult"]).startswith(b"working")
    ((function, request_id),) = site.run.ran
    assert answer["ResponseMetadata"]["RequestId"] == request_id
    assert function.name == name
    assert function.arn == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert function.image == f"{REGISTRY}/{REPOSITORY}:tag-{name}"
    assert (function.memory, function.timeout, function.ephemeral_storage) == (512, 30, 1024)
    assert function.environment == {"PROGRAM": ECHO}


def test_lines_can_be_read_back_from_the_log_group(site: Site) -> None:
    name = site.deploy("for n in range(2500): print('line', n)")
    site.client("lambda").invoke(FunctionName=name)
    (stream,) = site.client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert "/[$LATEST]" in stream["logStreamName"]
    tail = site.client("logs").get_log_events(
        logGroupName=f"/aws/lambda/{name}", logStreamName=stream["logStreamName"], limit=1
    )
    assert [event["message"] for event in tail["events"]] == ["line 2499"]


def test_without_a_log_group_the_lines_are_lost_and_the_run_is_not(site: Site) -> None:
    name = site.deploy(ECHO)
    site.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    assert site.client("lambda").invoke(FunctionName=name, Payload=b"1")["Payload"].read() == b"1"


def test_a_function_error(site: Site) -> None:
    name = site.deploy('import sys; print(\'{"errorType": "X"}\'); sys.exit(3)')
    answer = site.client("lambda").invoke(FunctionName=name)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read()) == {"errorType": "X"}


def test_an_event_is_accepted_and_tried_again_under_the_same_id(site: Site, tmp_path: Path) -> None:
    count = tmp_path / "count"
    program = f"open({str(count)!r}, 'a').write('x'); import sys; sys.exit(1)"
    name = site.deploy(program)
    site.client("lambda").put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    answer = site.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    assert answer["StatusCode"] == 202
    until(lambda: count.exists() and count.read_text() == "xx")
    time.sleep(0.3)
    assert count.read_text() == "xx"
    assert len(site.run.ran) == 2
    assert {request_id for _, request_id in site.run.ran} == {answer["ResponseMetadata"]["RequestId"]}


def test_an_event_that_succeeds_runs_once(site: Site) -> None:
    name = site.deploy("print('done')")
    site.client("lambda").invoke(FunctionName=name, InvocationType="Event")
    until(lambda: site.lines(name) == ["done"])
    time.sleep(0.2)
    assert len(site.run.ran) == 1


def test_a_dry_run_runs_nothing(site: Site) -> None:
    name = site.deploy(ECHO)
    assert site.client("lambda").invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert site.run.ran == []


def test_reserved_concurrency_throttles_calls_and_queues_events(site: Site, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    name = site.deploy(
        f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(.01)\nprint('ok')"
    )
    site.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(site.client("lambda").invoke, FunctionName=name)
        until(lambda: len(site.run.ran) == 1)
        with pytest.raises(ClientError, match="TooManyRequestsException") as refused:
            site.client("lambda").invoke(FunctionName=name)
        site.client("lambda").invoke(FunctionName=name, InvocationType="Event")
        time.sleep(0.3)
        assert len(site.run.ran) == 1
        gate.touch()
        assert first.result()["StatusCode"] == 200
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    until(lambda: site.lines(name) == ["ok", "ok"])


def test_all_functions_together_have_a_limit(site: Site, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    name = site.deploy(f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(.01)")
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(site.client("lambda").invoke, FunctionName=name) for _ in range(4)]
        until(lambda: len(site.run.ran) == 4)
        with pytest.raises(ClientError, match="Rate Exceeded"):
            site.client("lambda").invoke(FunctionName=name)
        reserving = site.deploy("print('done')")
        site.client("lambda").put_function_concurrency(FunctionName=reserving, ReservedConcurrentExecutions=1)
        assert site.client("lambda").invoke(FunctionName=reserving)["StatusCode"] == 200
        gate.touch()
        assert {each.result()["StatusCode"] for each in running} == {200}


def test_close_asks_what_runs_to_end(site: Site) -> None:
    name = site.deploy("import time; time.sleep(600)")
    site.client("lambda").invoke(FunctionName=name, InvocationType="Event")
    until(lambda: len(site.run.ran) == 1)
    begin = time.monotonic()
    site.invoker.close()
    assert time.monotonic() - begin < 60
    time.sleep(0.2)
    assert len(site.run.ran) == 1  # a stopped run is not tried again


def test_what_cannot_run(site: Site) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        site.client("lambda").invoke(FunctionName="absent")
    name = site.deploy(None)
    with pytest.raises(ClientError, match="no such image in the engine; apply again"):
        site.client("lambda").invoke(FunctionName=name)
    assert site.lines(name) == ["lambdactl sandbox: no such image in the engine; apply again"]
    with pytest.raises(ClientError, match="RequestTooLargeException"):
        site.client("lambda").invoke(
            FunctionName=name, InvocationType="Event", Payload=b" " * ((1 << 20) + 1)
        )
    site.client("lambda").update_function_code(
        FunctionName=name, ImageUri=f"{REGISTRY}/{REPOSITORY}@sha256:{'0' * 64}"
    )
    with pytest.raises(ClientError, match="no image sha256:0000"):
        site.client("lambda").invoke(FunctionName=name)


def test_a_zip_function_never_runs_on_this_machine(site: Site) -> None:
    site.client("lambda").create_function(
        FunctionName="zipped",
        Role="arn:aws:iam::000000000000:role/x",
        Runtime="python3.12",
        Handler="a.b",
        Code={"ZipFile": b"PK\5\6" + b"\0" * 18},
    )
    with pytest.raises(ClientError, match="runs nothing else"):
        site.client("lambda").invoke(FunctionName="zipped")
    # Nor when the emulator is asked behind the front's back, as its own schedules would.
    answer = site.client("lambda", site.emulator).invoke(FunctionName="zipped")
    assert answer["FunctionError"]
    assert b"Docker" in answer["Payload"].read()


def test_a_run_may_invoke_through_its_own_door(site: Site) -> None:
    name = site.deploy(ECHO)
    with Front(site.emulator, [narrow(), invoke(site.invoker)]) as door:
        answer = site.client("lambda", door.url).invoke(FunctionName=name, Payload=b"2")
    assert answer["Payload"].read() == b"2"


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("demo-main-x", ("demo-main-x", "")),
        ("demo-main-x:$LATEST", ("demo-main-x", "$LATEST")),
        ("000000000000:function:f", ("f", "")),
        ("arn:aws:lambda:us-east-1:000000000000:function:f", ("f", "")),
        ("arn:aws:lambda:us-east-1:000000000000:function:f:7", ("f", "7")),
        ("../etc", None),
        ("", None),
    ],
)
def test_names_of_functions(identifier: str, name: tuple[str, str] | None) -> None:
    assert name_of(identifier) == name


# -- what an invocation carries, and what is refused -------------------------------------------------


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as error:
        call()
    answer = error.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def test_the_invoked_arn_carries_the_qualifier(site: Site) -> None:
    name = site.deploy(ECHO)
    for given in ({}, {"Qualifier": "$LATEST"}):
        site.client("lambda").invoke(FunctionName=name, **given)
    arns = [each.arn.rpartition(name)[2] for each in site.run.invocations]
    assert arns == ["", ":$LATEST"]
    status, code, message = refusal(lambda: site.client("lambda").invoke(FunctionName=f"{name}:7"))
    assert (status, code) == (404, "ResourceNotFoundException")
    assert message.startswith("Function not found: arn:aws:lambda:")
    assert message.endswith(f"{name}:7")


def test_the_client_context_is_handed_on_decoded(site: Site) -> None:
    name, client = site.deploy(ECHO), site.client("lambda")
    context = base64.b64encode(json.dumps({"custom": {"a": "ä"}}).encode()).decode()
    client.invoke(FunctionName=name, ClientContext=context)
    client.invoke(FunctionName=name, ClientContext=context, InvocationType="Event")
    until(lambda: len(site.run.invocations) == 2)
    assert json.loads(site.run.invocations[0].client_context) == {"custom": {"a": "ä"}}
    assert site.run.invocations[1].client_context == ""  # synchronous only
    for bad in ("no base64", base64.b64encode(b"[]").decode(), base64.b64encode(b"{}" * 2000).decode()):
        status, code, _ = refusal(lambda bad=bad: client.invoke(FunctionName=name, ClientContext=bad))  # type: ignore[misc]
        assert (status, code) == (400, "InvalidRequestContentException")


def test_a_payload_that_is_no_json_or_too_large(site: Site) -> None:
    name, client = site.deploy(ECHO), site.client("lambda")
    status, code, message = refusal(lambda: client.invoke(FunctionName=name, Payload=b"{"))
    assert (status, code) == (400, "InvalidRequestContentException")
    assert message.startswith("Could not parse request body into json: ")
    large = json.dumps("x" * (1 << 20)).encode()
    status, code, message = refusal(
        lambda: client.invoke(FunctionName=name, Payload=large, InvocationType="Event")
    )
    assert (status, code) == (413, "RequestTooLargeException")
    assert message == "Request must be smaller than 1048576 bytes for the InvokeFunction operation"
    assert site.run.invocations == []


def traced(site: Site, header: str) -> Any:
    """A client that sends what botocore sends inside a function."""
    client = site.client("lambda")
    client.meta.events.register(
        "before-sign.lambda.Invoke",
        lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header),
    )
    return client


@pytest.mark.row("recursive-loops")
def test_a_function_that_invokes_itself_is_counted_and_stopped(site: Site) -> None:
    name = site.deploy(ECHO)
    site.client("lambda").invoke(FunctionName=name)
    header = site.run.invocations[0].trace_id
    assert trace.count(header) == 0
    for _ in range(trace.MOST - 1):
        traced(site, header).invoke(FunctionName=name)
        header = site.run.invocations[-1].trace_id
    assert trace.count(header) == trace.MOST - 1
    status, code, message = refusal(lambda: traced(site, header).invoke(FunctionName=name))
    assert (status, code) == (400, "RecursiveInvocationException")
    assert "recursive loop" in message
    ran = len(site.run.invocations)
    answer = traced(site, header).invoke(FunctionName=name, InvocationType="Event")
    assert answer["StatusCode"] == 202
    assert [line for line in site.lines(name) if "dropped: Lambda has detected" in line]
    other = site.deploy(ECHO)
    traced(site, header).invoke(FunctionName=other)  # another function's chain is its own
    assert len(site.run.invocations) == ran + 1
    assert trace.count(site.run.invocations[-1].trace_id) == 0
