"""The front and its layers, before a real ministack and a real moto server."""

from __future__ import annotations

import base64
import http.client
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.front import Front, HangUp, Layer, Next, Request, Response, chain
from lambdactl.sandbox.layers import Record, invoke, latency, narrow, programs_only

MB = 1 << 20
DIGEST = "ab" * 32
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/lambdactl/demo/main@sha256:{DIGEST}"


def client(service: str, url: str, **config: Any) -> Any:
    session = boto3.Session("123456789012", "made-up", region_name="us-east-1")
    settings = Config(retries={"total_max_attempts": 1}, **config)
    return session.client(service, endpoint_url=url, config=settings)


@pytest.fixture(params=["moto", "ministack"])
def upstream(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_server"))


@pytest.fixture
def s3(upstream: str) -> Iterator[Any]:
    with Front(upstream) as front:
        yield client("s3", front.url)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"bucket-{os.urandom(4).hex()}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("size", [0, 1, 65537, 30 * MB])
def test_objects_come_back_byte_for_byte(s3: Any, bucket: str, size: int) -> None:
    body = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="a folder/ä+%20", Body=body)
    assert s3.get_object(Bucket=bucket, Key="a folder/ä+%20")["Body"].read() == body
    assert s3.head_object(Bucket=bucket, Key="a folder/ä+%20")["ContentLength"] == size


def test_multipart_and_ranges(s3: Any, bucket: str) -> None:
    body = os.urandom(11 * MB)
    parts = TransferConfig(multipart_threshold=5 * MB, multipart_chunksize=5 * MB)
    s3.upload_fileobj(BytesIO(body), bucket, "big", Config=parts)
    back = BytesIO()
    s3.download_fileobj(bucket, "big", back, Config=parts)
    assert back.getvalue() == body
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-3"')


def test_aws_chunks_with_a_trailing_checksum(s3: Any, bucket: str) -> None:
    """As SDKs upload streams over TLS: the emulator, not the front, takes the chunks apart."""
    body = os.urandom(100_000)
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()
    chunks = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(body), body, checksum.encode())
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=made/20260101/us-east-1/s3/aws4_request",
        "Content-Encoding": "aws-chunked",
        "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Decoded-Content-Length": str(len(body)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "Expect": "100-continue",
    }
    connection = http.client.HTTPConnection(urlsplit(s3.meta.endpoint_url).netloc)
    connection.request("PUT", f"/{bucket}/k", chunks, headers)
    assert connection.getresponse().status == 200
    connection.close()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_a_chunked_transfer(upstream: str) -> None:
    """`Transfer-Encoding: chunked` arrives whole and goes on with a length."""
    seen: list[Request] = []

    def keep(request: Request, following: Any) -> Response:
        seen.append(request)
        return Response(status=200)

    with Front(upstream, [keep]) as front:
        connection = http.client.HTTPConnection("127.0.0.1", front.port)
        headers = {"Content-Encoding": "aws-chunked"}
        pieces = [b"4;chunk-signature=x\r\nabcd\r\n", b"0;chunk-signature=y\r\n\r\n"]
        connection.request("PUT", "/b/k", iter(pieces), headers, encode_chunked=True)
        assert connection.getresponse().read() == b""
        connection.close()
    assert [request.body for request in seen] == [b"".join(pieces)]


def test_conditions_and_empty_answers(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    with pytest.raises(ClientError, match="304"):
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=s3.head_object(Bucket=bucket, Key="k")["ETag"])
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="k")


def test_an_emulator_that_is_gone() -> None:
    with Front("http://127.0.0.1:9") as front, pytest.raises(ClientError, match="502"):
        client("s3", front.url).list_objects_v2(Bucket="bucket")


def test_record_counts_calls_and_how_many_at_once(upstream: str) -> None:
    record = Record()
    with Front(upstream, [record, latency(0.05)]) as front:
        sts = client("sts", front.url, max_pool_connections=8)
        begin = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: sts.get_caller_identity(), range(16)))
        took = time.monotonic() - begin
    assert record.calls == {"sts.GetCallerIdentity": 16}
    assert record.total == 16
    assert 2 <= record.peak <= 8
    assert took >= 0.1  # two rounds of 50 ms


def test_the_first_layer_is_the_outermost() -> None:
    order: list[str] = []

    def layer(name: str) -> Layer:
        def note(request: Request, following: Any) -> Response:
            order.append(name)
            return Response(status=following(request).status)

        return note

    answer = chain([layer("outer"), layer("inner")], lambda request: Response(status=204))
    assert answer(Request(method="GET", target="/")).status == 204
    assert order == ["outer", "inner"]


@pytest.fixture
def lambda_(upstream: str) -> Iterator[Any]:
    with Front(upstream, [Fill()]) as front:
        client("iam", front.url).create_role(
            RoleName=(name := os.urandom(4).hex()), AssumeRolePolicyDocument="{}"
        )
        lambda_ = client("lambda", front.url)
        lambda_.role = f"arn:aws:iam::123456789012:role/{name}"
        yield lambda_


def create(lambda_: Any, name: str, image: str = IMAGE) -> dict[str, Any]:
    answer: dict[str, Any] = lambda_.create_function(
        FunctionName=name, Role=lambda_.role, PackageType="Image", Code={"ImageUri": image}
    )
    return answer


def test_digests_are_filled_as_aws_does(lambda_: Any) -> None:
    name = f"f-{os.urandom(4).hex()}"
    assert create(lambda_, name)["CodeSha256"] == DIGEST
    found = lambda_.get_function(FunctionName=name)
    assert found["Configuration"]["CodeSha256"] == DIGEST
    assert found["Code"]["ResolvedImageUri"] == IMAGE
    assert lambda_.get_function_configuration(FunctionName=name)["CodeSha256"] == DIGEST
    assert lambda_.update_function_configuration(FunctionName=name, Timeout=9)["CodeSha256"] == DIGEST
    other = "cd" * 32
    moved = lambda_.update_function_code(FunctionName=name, ImageUri=IMAGE.replace(DIGEST, other))
    assert moved["CodeSha256"] == other
    listed = {f["FunctionName"]: f for f in lambda_.list_functions()["Functions"]}[name]
    assert listed["CodeSha256"] == other
    assert not {"State", "LastUpdateStatus", "StateReason"} & listed.keys()


def test_a_new_front_asks_for_what_it_has_not_seen(upstream: str, lambda_: Any) -> None:
    name = f"f-{os.urandom(4).hex()}"
    create(lambda_, name)
    record = Record()
    with Front(upstream, [Fill(), record]) as front:
        fresh = client("lambda", front.url)
        for _ in range(2):
            listed = {f["FunctionName"]: f for f in fresh.list_functions()["Functions"]}
            assert listed[name]["CodeSha256"] == DIGEST
    assert record.calls["lambda.ListFunctions"] == 2
    assert record.calls["lambda.GetFunction"] == len(listed)  # each is asked for once


def test_invocations_go_to_the_given_callable(lambda_: Any, upstream: str) -> None:
    def echo(request: Request) -> Response:
        return Response(status=200, body=request.body)

    with Front(upstream, [invoke(echo)]) as front:
        answer = client("lambda", front.url).invoke(FunctionName="any", Payload=b'{"a": 1}')
        assert answer["Payload"].read() == b'{"a": 1}'
        with pytest.raises(ClientError, match="not in the sandbox"):
            client("lambda", front.url).invoke_with_response_stream(FunctionName="any")


def test_a_run_reaches_its_data_and_nothing_else(upstream: str) -> None:
    record = Record()
    with Front(upstream, [narrow(), record]) as front:
        assert client("sts", front.url).get_caller_identity()["Account"]
        assert client("ssm", front.url).get_parameters(Names=["/none"])["InvalidParameters"] == ["/none"]
        refused: list[Callable[[], Any]] = [
            lambda: client("iam", front.url).list_roles(),
            lambda: client("lambda", front.url).list_functions(),
            lambda: client("s3", front.url).list_buckets(),
            lambda: client("s3", front.url).delete_bucket(Bucket="bucket"),
            lambda: client("ssm", front.url).put_parameter(Name="/a", Value="b", Type="String"),
            lambda: client("logs", front.url).describe_log_groups(),
        ]
        for call in refused:
            with pytest.raises(ClientError, match=r"AccessDenied|403"):
                call()
        for target in ("/_ministack/reset", "/moto-api/reset", "/_ministack/state", "/v2/"):
            connection = http.client.HTTPConnection("127.0.0.1", front.port)
            connection.request("POST", target, b"")
            assert connection.getresponse().status == 403, target
            connection.close()
    assert set(record.calls) == {"sts.GetCallerIdentity", "ssm.GetParameters"}


def signed(service: str, before: str = "") -> str:
    scope = f"{before}Credential=made/20260101/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=00"


S3 = ("Authorization", signed("s3"))
FORM = ("Content-Type", "application/x-www-form-urlencoded")
AMBIGUOUS = {
    "a target beside a path": ("PUT", "/b?notification", [S3, ("X-Amz-Target", "x.GetObject")]),
    "an action beside a path": ("PUT", "/b?notification&Action=GetObject", [S3]),
    "a target of another service": ("POST", "/b/k?uploads", [S3, ("X-Amz-Target", "AmazonSNS.Subscribe")]),
    "two scopes": (
        "POST",
        "/b/k?uploads",
        [("Authorization", signed("s3", "Credential=x/2026/x/sns/aws4_request, "))],
    ),
    "two signatures": (
        "POST",
        "/b/k?uploads",
        [("Authorization", signed("s3")), ("Authorization", signed("sns"))],
    ),
    "a path beside an action": (
        "PUT",
        "/b?notification&Action=AssumeRole",
        [("Authorization", signed("sts")), ("X-Amz-Target", "x.AssumeRole")],
    ),
    "no signature": ("POST", "/2015-03-31/functions?uploads", []),
    "no signature, an action": ("POST", "/?Action=AssumeRole&Version=2011-06-15", [FORM]),
    "a signature in the query": (
        "PUT",
        "/b?notification&Action=AssumeRole&X-Amz-Credential=made/20260101/us-east-1/sts/aws4_request",
        [],
    ),
}


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_run_cannot_pass_off_one_call_as_another(request_: tuple[str, str, list[tuple[str, str]]]) -> None:
    """The emulator tells services apart by other signs, in another order: only what is plain passes."""
    method, target, headers = request_
    passed: list[Request] = []

    def behind(request: Request, following: Next) -> Response:
        passed.append(request)
        return Response(status=200)

    with Front("http://127.0.0.1:9", [narrow(), behind]) as front:
        connection = http.client.HTTPConnection("127.0.0.1", front.port)
        connection.putrequest(method, target)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 403
        connection.close()
    assert passed == []


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Host": "localhost:1234"}, True),
        ({"Host": "172.17.0.1:1234"}, True),
        ({"Host": "[::1]:1234"}, True),
        ({"Host": "rebound.example:1234"}, False),
        ({"Host": "rebound.example"}, False),
        ({"Origin": "https://page.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
    ],
)
def test_no_web_page_passes(upstream: str, headers: dict[str, str], passes: bool) -> None:
    def answered(request: Request) -> Response:
        return Response(status=200)

    with Front(upstream, [programs_only, lambda request, following: answered(request)]) as front:
        for method in ("GET", "POST", "OPTIONS"):
            connection = http.client.HTTPConnection("127.0.0.1", front.port)
            connection.request(method, "/", headers=headers)
            assert (connection.getresponse().status == 200) is passes
            connection.close()


def test_a_layer_may_hang_up_and_may_break_off(upstream: str) -> None:
    def layer(request: Request, following: Any) -> Response:
        if request.path == "/broken":
            return Response(status=200, body=b"half", length=8)
        if request.path == "/silent":
            raise HangUp
        return Response(status=200, body=b"whole")

    with Front(upstream, [layer]) as front:
        connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"whole"
        connection.request("GET", "/broken")
        with pytest.raises(http.client.IncompleteRead, match="4 bytes read, 4 more expected"):
            connection.getresponse().read()
        connection.close()
        connection.request("GET", "/silent")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.close()
        connection.request("HEAD", "/broken")
        head = connection.getresponse()
        assert (head.getheader("Content-Length"), head.read()) == ("8", b"")
        connection.request("GET", "/")  # over the same connection: HEAD has no body to break off
        assert connection.getresponse().read() == b"whole"
        connection.close()


def test_a_front_closes_while_clients_hold_connections(upstream: str) -> None:
    front = Front(upstream)
    with front:
        connection = http.client.HTTPConnection("127.0.0.1", front.port)
        connection.request("GET", "/_ministack/health")
        connection.getresponse().read()
        begin = time.monotonic()
    assert time.monotonic() - begin < 60  # nobody hangs up on the other side
    connection.close()


def test_many_clients_at_once(s3: Any, bucket: str) -> None:
    bodies = {f"k{n}": os.urandom(10_000) for n in range(40)}
    wrong: list[str] = []
    lock = threading.Lock()

    def round_trip(key: str) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=bodies[key])
        if s3.get_object(Bucket=bucket, Key=key)["Body"].read() != bodies[key]:
            with lock:
                wrong.append(key)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(round_trip, bodies))
    assert wrong == []
