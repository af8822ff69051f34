"""The door to AWS: patience, translation, and what it never lets through."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdactl.aws import Aws, Endpoint, Reader
from lambdactl.aws.client import READERS
from lambdactl.aws.pace import Pace, family
from lambdactl.aws.translate import masked, translated
from lambdactl.engine import Call, ImageRef, Wait
from lambdactl.errors import AwsError, NotFound
from lambdactl.sandbox.answers import xml_refusal
from lambdactl.sandbox.front import Front, Next, Request, Response
from lambdactl.sandbox.identify import identify

CONFLICT = (
    b'{"Type":"User","message":"The operation cannot be performed at this time. '
    b'An update is in progress for resource: arn"}'
)
DATE = "Wed, 25 Nov 2026 12:00:00 GMT"
YOUNG_ROLE = b'{"Type":"User","message":"The role defined for the function cannot be assumed by Lambda."}'


class Script:
    """An AWS that answers each operation with the given responses, one after the other, then the last."""

    def __init__(self, **answers: list[Response]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def __call__(self, request: Request, following: Next) -> Response:
        operation = identify(request)[1]
        self.calls.append(operation)
        left = self.answers[operation]
        return left.pop(0) if len(left) > 1 else left[0]


def answer(body: bytes = b"{}", status: int = 200, code: str = "") -> Response:
    headers = (("Content-Type", "application/json"), *((("x-amzn-errortype", code),) if code else ()))
    return Response(status=status, headers=headers, body=body)


def state(value: str, update: str = "Successful") -> Response:
    configuration = {"State": value, "LastUpdateStatus": update, "StateReason": "no image"}
    return answer(json.dumps({"Configuration": configuration}).encode())


@pytest.fixture
def scripted() -> Iterator[tuple[Aws, Script, list[float]]]:
    script, slept = Script(), []
    with Front("http://127.0.0.1:9", [script]) as front:
        endpoint = Endpoint(url=front.url, region="us-east-1", access_key="made", secret_key="up")
        clock = [0.0]

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock[0] += seconds

        yield Aws(endpoint=endpoint, sleep=sleep, clock=lambda: clock[0]), script, slept


SETTLED = Wait(
    operation="GetFunction",
    parameters={"FunctionName": "f"},
    paths=("Configuration.State", "Configuration.LastUpdateStatus"),
    pending=frozenset({"Pending", "InProgress"}),
    failed=frozenset({"Failed"}),
    reasons=("Configuration.StateReason",),
)
UPDATE = Call(
    service="lambda",
    operation="UpdateFunctionConfiguration",
    parameters={"FunctionName": "f", "Environment": {"Variables": {"A": "one-value"}}},
    wait=SETTLED,
)


def test_a_young_role_and_a_running_update_are_waited_for(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, slept = scripted
    script.answers = {
        "UpdateFunctionConfiguration": [
            answer(YOUNG_ROLE, 400, "InvalidParameterValueException"),
            answer(CONFLICT, 409, "ResourceConflictException"),
            answer(),
        ],
        "GetFunction": [state("Pending"), state("Active", "InProgress"), state("Inactive")],
    }
    aws.perform(UPDATE)
    assert script.calls == ["UpdateFunctionConfiguration"] * 3 + ["GetFunction"] * 3
    assert len(slept) == 4


def test_a_role_that_stays_unusable_fails_after_the_patience_for_it(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, slept = scripted
    script.answers = {
        "UpdateFunctionConfiguration": [answer(YOUNG_ROLE, 400, "InvalidParameterValueException")]
    }
    with pytest.raises(AwsError, match="cannot be assumed by Lambda"):
        aws.perform(UPDATE)
    assert 15 < sum(slept) < 30


def test_a_throttle_of_ec2_behind_lambda_is_a_throttle(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    said = (
        b'{"Type":"User","message":"Your request has been throttled by EC2, please make sure you have ..."}'
    )
    throttle = answer(said, 400, "InvalidParameterValueException")
    script.answers = {
        "UpdateFunctionConfiguration": [*[throttle] * 8, answer()],
        "GetFunction": [state("Active")],
    }
    aws.perform(UPDATE)
    assert script.calls.count("UpdateFunctionConfiguration") == 9


def test_a_role_that_this_run_made_is_given_longer(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, slept = scripted
    script.answers = {
        "CreateRole": [
            Response(status=200, body=b"<CreateRoleResponse><CreateRoleResult/></CreateRoleResponse>")
        ],
        "UpdateFunctionConfiguration": [answer(YOUNG_ROLE, 400, "InvalidParameterValueException")],
    }
    create = {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}
    aws.perform(Call(service="iam", operation="CreateRole", parameters=create))
    parameters = {**UPDATE.parameters, "Role": "arn:aws:iam::123456789012:role/lambdactl/demo/main/r"}
    with pytest.raises(AwsError, match="cannot be assumed by Lambda"):
        aws.perform(replace(UPDATE, parameters=parameters))
    assert 110 < sum(slept) < 130


@pytest.mark.parametrize("change", ["PutRolePolicy", "PutRolePermissionsBoundary", "UpdateAssumeRolePolicy"])
def test_a_role_that_this_run_changed_is_given_longer(scripted, change: str) -> None:  # type: ignore[no-untyped-def]
    aws, script, slept = scripted
    lacking = b'{"message":"The provided execution role does not have permissions to call X on Y"}'
    script.answers = {
        change: [Response(status=200, body=f"<{change}Response/>".encode())],
        "UpdateFunctionConfiguration": [answer(lacking, 400, "InvalidParameterValueException")],
    }
    given = {
        "PutRolePolicy": {"PolicyName": "job", "PolicyDocument": "{}"},
        "PutRolePermissionsBoundary": {"PermissionsBoundary": "arn:aws:iam::123456789012:policy/b"},
        "UpdateAssumeRolePolicy": {"PolicyDocument": "{}"},
    }
    aws.perform(Call(service="iam", operation=change, parameters={"RoleName": "r", **given[change]}))
    parameters = {**UPDATE.parameters, "Role": "arn:aws:iam::123456789012:role/lambdactl/demo/main/r"}
    with pytest.raises(AwsError, match="does not have permissions"):
        aws.perform(replace(UPDATE, parameters=parameters))
    assert 110 < sum(slept) < 130


def test_a_policy_for_a_role_that_is_gone_is_not_given_longer_by_itself(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, slept = scripted
    script.answers = {"PutRolePolicy": [xml_refusal(404, "NoSuchEntity", "no such role")]}
    parameters = {"RoleName": "r", "PolicyName": "job", "PolicyDocument": "{}"}
    with pytest.raises(NotFound):
        aws.perform(Call(service="iam", operation="PutRolePolicy", parameters=parameters))
    assert 5 < sum(slept) < 20


def test_an_error_that_time_does_not_mend_is_not_repeated(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, slept = scripted
    script.answers = {
        "UpdateFunctionConfiguration": [answer(b'{"message":"no"}', 403, "AccessDeniedException")]
    }
    with pytest.raises(AwsError, match=r"lambda\.UpdateFunctionConfiguration.*AccessDeniedException: no"):
        aws.perform(UPDATE)
    assert (script.calls, slept) == (["UpdateFunctionConfiguration"], [])


def test_a_function_that_fails_after_the_call_says_why(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    script.answers = {"UpdateFunctionConfiguration": [answer()], "GetFunction": [state("Failed")]}
    with pytest.raises(AwsError, match="no image"):
        aws.perform(UPDATE)


def test_what_is_so_already_is_a_success(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    script.answers = {"DeleteFunction": [answer(b'{"message":"gone"}', 404, "ResourceNotFoundException")]}
    delete = Call(service="lambda", operation="DeleteFunction", parameters={"FunctionName": "f"})
    with pytest.raises(NotFound):
        aws.perform(delete)
    aws.perform(replace(delete, tolerate=frozenset({"ResourceNotFoundException"})))


def test_a_late_reference_is_put_in() -> None:
    seen = []

    def keep(request: Request, following: Next) -> Response:
        seen.append(request.body)
        return answer()

    with Front("http://127.0.0.1:9", [keep]) as front:
        aws = Aws(endpoint=Endpoint(url=front.url, region="us-east-1", access_key="made", secret_key="up"))
        aws.images["tag"] = "registry/repository@sha256:abc"
        parameters = {"FunctionName": "f", "ImageUri": ImageRef("tag")}
        aws.perform(Call(service="lambda", operation="UpdateFunctionCode", parameters=parameters))
    assert b"registry/repository@sha256:abc" in seen[0]


def test_a_truncated_answer_is_an_error_and_never_an_empty_account(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    script.answers = {"ListFunctions": [answer(b"{}")]}
    with pytest.raises(AwsError, match="cut short"):
        aws.pages("lambda", "ListFunctions", "Functions")


def test_throttles_do_not_use_up_the_tries_for_answers_that_are_lost(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    slow = answer(b'{"message":"Rate exceeded"}', 429, "TooManyRequestsException")
    lost = [answer(b"", 500, "ServiceException")] * 4
    script.answers = {"ListFunctions": [*[slow] * 12, *lost, *[slow] * 12, answer(b'{"Functions":[]}')]}
    assert aws.pages("lambda", "ListFunctions", "Functions") == []


def test_half_an_answer_is_asked_for_again_and_never_read_as_settled(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    pending = state("Pending")
    half = replace(pending, body=pending.body[:20])
    cut = replace(half, length=len(pending.body))
    script.answers = {"GetFunction": [half, cut, pending, state("Active")]}
    aws.settle("lambda", SETTLED)
    assert len(script.calls) == 4


def test_half_an_object_is_read_again(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    whole = Response(status=200, headers=(("ETag", '"e"'), ("Last-Modified", DATE)), body=b"x" * 20)
    script.answers = {"GetObject": [replace(whole, body=b"x" * 10, length=20), whole]}
    assert aws.stored("b", "k", 100).content == b"x" * 20
    assert script.calls == ["GetObject"] * 2


def test_the_same_read_is_made_once_however_many_ask(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    reader = Reader(aws)
    script.answers = {"ListFunctions": [answer(b'{"Functions":[]}')]}
    threads = [
        threading.Thread(target=lambda: reader.pages("lambda", "ListFunctions", "Functions"))
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert script.calls == ["ListFunctions"]


def test_no_value_that_we_sent_comes_back_in_an_error(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    measured = json.dumps({"A": "one-value", "B": "x"})
    echo = json.dumps({"message": f"exceeded the 4KB limit. String measured: {measured} one-value"}).encode()
    script.answers = {"UpdateFunctionConfiguration": [answer(echo, 400, "InvalidParameterValueException")]}
    with pytest.raises(AwsError) as caught:
        aws.perform(UPDATE)
    assert "one-value" not in str(caught.value)
    assert "4KB limit" in str(caught.value)


def test_a_thousand_schedules_are_read_apart_from_what_changes_them() -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    pace = Pace(lambda: clock[0], sleep)
    for _ in range(1000):
        pace.take_turn(family("scheduler", "GetSchedule"))
    assert 20 < clock[0] <= 25
    pace.take_turn(family("scheduler", "UpdateSchedule"))
    assert clock[0] <= 25


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"FunctionName": "demo-a", "Environment": {"Variables": {"A": "one-value"}}}, "demo-a"),
        ({"RoleName": "demo-a-role", "PolicyName": "job"}, "demo-a-role/job"),
        ({"Bucket": "b", "Key": "jobs/a.json", "Body": b"text"}, "b/jobs/a.json"),
        ({"Name": "/demo/key", "Value": "one-value"}, "/demo/key"),
        ({"GroupName": "demo", "Name": "demo-a", "Target": {"Input": "one-value"}}, "demo/demo-a"),
        ({"repositoryNames": ["demo"]}, "demo"),
        ({"logGroupName": "/aws/lambda/demo-a"}, "/aws/lambda/demo-a"),
    ],
)
def test_an_error_names_what_the_call_was_about(parameters: dict[str, Any], name: str) -> None:
    refused: dict[str, Any] = {
        "Error": {"Code": "Odd", "Message": "something odd"},
        "ResponseMetadata": {"RequestId": "r-1"},
    }
    for error in (ClientError(refused, "Read"), ValueError("something odd")):
        with pytest.raises(AwsError, match="something odd") as raised, translated("x.Read", parameters):
            raise error
        assert raised.value.where in (f"x.Read of {name} (r-1)", f"x.Read of {name}")
        assert "one-value" not in str(raised.value)


def test_a_read_that_fails_names_its_function(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    script.answers = {"GetFunction": [answer(b"{}", 400, "OddException")]}
    with pytest.raises(AwsError, match=r"^lambda\.GetFunction of demo-a\b.*OddException"):
        aws.call("lambda", "GetFunction", {"FunctionName": "demo-a"})
    script.answers = {"GetFunction": [state("Failed")]}
    with pytest.raises(AwsError, match=r"^lambda\.GetFunction of f: failed after the call: no image"):
        aws.settle("lambda", SETTLED)


def test_values_of_parameters_are_masked_and_names_are_not() -> None:
    text = masked(
        "bad value hunter2-hunter2 for /agents/token", {"Name": "/agents/token", "Value": "hunter2-hunter2"}
    )
    assert text == "bad value *** for /agents/token"


def test_nothing_of_the_machine_reaches_a_chosen_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """While an endpoint is chosen, no variable, profile or file can lead a call to AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://lambda.us-west-2.amazonaws.com")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "https://lambda.us-west-2.amazonaws.com")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALLOOKING")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_PROFILE", "default")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    aws = Aws(
        endpoint=Endpoint(url="http://127.0.0.1:9", region="us-east-1", access_key="made", secret_key="up")
    )
    client = aws.client("lambda")
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.region_name == "us-east-1"
    assert aws.frozen_credentials() == {"AccessKeyId": "made", "SecretAccessKey": "up", "SessionToken": ""}


def test_aws_is_found_as_every_tool_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a chosen endpoint the standard variables and configuration files decide."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.write_text(
        "[profile team]\nregion = eu-north-1\naws_access_key_id = made\naws_secret_access_key = up\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_PROFILE", "team")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    aws = Aws()
    assert aws.region == "eu-north-1"
    assert aws.frozen_credentials()["AccessKeyId"] == "made"
    assert aws.client("lambda").meta.endpoint_url == "http://127.0.0.1:9"
    assert Aws(region="eu-west-1").region == "eu-west-1"


def test_without_credentials_the_way_to_log_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(AwsError, match="aws sso login"):
        Aws(region="us-east-1").call("lambda", "ListFunctions", {})


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_of_the_machine_sees_what_goes_to_a_chosen_endpoint(
    scripted: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The value of a secret is in this call: over plain HTTP, a proxy would read it."""
    aws, script, _ = scripted
    seen: list[str] = []

    def proxy(request: Request, following: Next) -> Response:
        seen.append(request.target)
        return answer()

    script.answers = {"PutParameter": [answer()], "HeadBucket": [answer()]}
    with Front("http://127.0.0.1:9", [proxy]) as front:
        monkeypatch.setenv(name, front.url)
        aws.call("ssm", "PutParameter", {"Name": "/a", "Value": "made-up-secret"})
        aws.call("s3", "HeadBucket", {"Bucket": "b"})
    assert (seen, script.calls) == ([], ["PutParameter", "HeadBucket"])


def test_a_new_plan_asks_anew(scripted) -> None:  # type: ignore[no-untyped-def]
    aws, script, _ = scripted
    script.answers = {"ListFunctions": [answer(b'{"Functions":[]}')]}
    for _ in range(2):
        Reader(aws).pages("lambda", "ListFunctions", "Functions")
    assert script.calls == ["ListFunctions"] * 2


def test_an_endpoint_that_is_no_url_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "garbage")
    with pytest.raises(AwsError, match="AWS_ENDPOINT_URL"):
        Aws(region="us-east-1").client("lambda")


def test_a_body_that_is_cut_short_is_an_error_and_never_half_a_file() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    thread = threading.Thread(target=hang_up)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    aws = Aws(endpoint=Endpoint(url=url, region="us-east-1", access_key="made", secret_key="up"))
    with listener, pytest.raises(AwsError, match=r"s3\.GetObject"):
        list(aws.chunks("b", "k"))
    thread.join()


def test_what_fails_of_many_reads_ends_all_of_them() -> None:
    begun: list[int] = []

    def read(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise ValueError
        waits.wait(60)
        return number

    waits = threading.Event()
    threading.Timer(3, waits.set).start()
    with pytest.raises(ValueError):  # noqa: PT011 - its own
        Aws(region="us-east-1").each(read, range(1_000))
    assert len(begun) <= READERS


def test_ctrl_c_ends_many_reads() -> None:
    begun: list[int] = []

    def read(number: int) -> None:
        begun.append(number)
        if number == READERS - 1:  # by then the others are waited for
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        waits.wait(60)

    waits = threading.Event()
    threading.Timer(3, waits.set).start()
    with pytest.raises(KeyboardInterrupt):
        Aws(region="us-east-1").each(read, range(1_000))
    assert len(begun) <= READERS  # those that were begun already are waited for


def test_many_reads_come_in_order() -> None:
    assert Aws(region="us-east-1").each(lambda number: number * 2, range(500)) == list(range(0, 1_000, 2))


def test_a_principal_that_is_not_there_is_traced_to_its_manifest() -> None:
    text = 'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/gone"'
    answer = {"Error": {"Code": "MalformedPolicyDocument", "Message": text}}
    with pytest.raises(AwsError) as error, translated("iam.CreateRole"):
        raise ClientError(answer, "CreateRole")
    assert "role/gone" in str(error.value)
    assert "`localDev:`" in error.value.hint
