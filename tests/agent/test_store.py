"""Folder and bucket behave alike; the bucket is moto's server over HTTP, the agent its own process."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from agent.bucket import Bucket
from agent.deliver import IN_MEMORY, Delivery
from agent.folder import Folder
from agent.harvest import Item
from agent.left import Left
from agent.redact import Redactor
from agent.secrets import SecretError, fetch
from agent.store import Reader, Store, StoreError
from lambdactl.ports import free_port
from tests.agent.bench import Bench, canonical, definition

CREDENTIALS = {
    "aws_access_key_id": "made-up",
    "aws_secret_access_key": "made-up-secret",
    "region_name": "us-east-1",
}
RUN_ID = "019ad3c1-7a40-7000-8000-0242ac120002"


def client(service: str, url: str) -> Any:
    config = Config(retries={"total_max_attempts": 2}, connect_timeout=1, proxies={})
    return boto3.client(service, endpoint_url=url, config=config, **CREDENTIALS)


@pytest.fixture(params=["moto", "ministack"])
def aws(request: pytest.FixtureRequest) -> str:
    """The URL of an emulator; they are wrong in different places."""
    return str(request.getfixturevalue(f"{request.param}_server"))


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"agent-{os.urandom(4).hex()}"
    client("s3", aws).create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["folder", "moto", "ministack"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Folder(tmp_path / "run")
    s3 = client("s3", request.getfixturevalue(f"{request.param}_server"))
    name = f"agent-{os.urandom(4).hex()}"
    s3.create_bucket(Bucket=name)
    return Bucket(name, s3)


def test_what_is_put_can_be_got(store: Store, tmp_path: Path) -> None:
    store.open("triage/", RUN_ID)
    file = tmp_path / "file"
    file.write_text("first")
    assert store.get("a/b.md") is None
    store.put("a/b.md", file, "text/markdown")
    file.write_text("second")
    store.put("a/b.md", file, "text/markdown")
    assert store.get("a/b.md") == b"second"
    assert store.address("result.json").endswith("result.json")


def test_a_definition_that_is_not_there(store: Store) -> None:
    with pytest.raises(StoreError, match=r"does not exist|cannot read the definition"):
        store.definition("nowhere/definition.json")


def test_a_bucket_that_cannot_be_reached_fails_for_good(tmp_path: Path) -> None:
    store = Bucket("gone", client("s3", f"http://127.0.0.1:{free_port()}"))
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StoreError, match="cannot write s3://gone/"):
        store.put("result.json", file, "application/json")


class Denies(BaseHTTPRequestHandler):
    """S3 as a role without leave to list sees it: what is not there is denied."""

    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_denied_is_absent_in_the_run_folder_and_an_error_elsewhere() -> None:
    with HTTPServer(("127.0.0.1", 0), Denies) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        store = Bucket("b", client("s3", f"http://127.0.0.1:{server.server_port}"))
        store.open("triage/", RUN_ID)
        assert store.get("result.json") is None
        with pytest.raises(StoreError, match="AccessDenied"):
            store.definition("definition.json")
        server.shutdown()


class BreaksOff(BaseHTTPRequestHandler):
    """S3 whose first two answers end in their middle."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"half" if self.server.asked <= self.server.broken else b"all here")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize(("broken", "asked"), [(2, 3), (99, 5)])
def test_what_breaks_off_is_asked_for_again(broken: int, asked: int) -> None:
    """By us: S3's client does so only until there is the head of an answer. A leg has one try at its
    checkpoint, of hundreds of parts."""
    with HTTPServer(("127.0.0.1", 0), BreaksOff) as server:
        server.asked, server.broken = 0, broken  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        slept: list[float] = []
        store = Bucket("b", client("s3", f"http://127.0.0.1:{server.server_port}"), sleep=slept.append)
        store.open("triage/", RUN_ID)
        if broken < asked:
            assert store.get("checkpoint/2/000001.tar") == b"all here"
        else:
            with pytest.raises(StoreError, match="cannot read s3://b/triage/"):
                store.get("checkpoint/2/000001.tar")
        assert (server.asked, len(slept)) == (asked, asked - 1)  # type: ignore[attr-defined]
        server.shutdown()


class Slow(Folder):
    """Takes long over one file, fails with another."""

    go_on = threading.Event()

    def put(self, name: str, body: Path | bytes | Reader, content_type: str) -> None:
        if "slow" in name:
            self.go_on.wait(60)
        if "bad" in name:
            raise StoreError("cannot write it")
        super().put(name, body, content_type)


def test_what_cannot_be_stored_in_time_does_not_hold_the_rest(tmp_path: Path) -> None:
    store, left = Slow(tmp_path), Left()
    store.open("triage/", RUN_ID)
    items = [Item(name=name, file=tmp_path / name) for name in ("a", "bad", "slow", "b", "gone")]
    for item in items[:-1]:
        item.file.write_text(f"{item.name} s3cr3t-value")
    delivery = Delivery(store=store, redactor=Redactor({"T": "s3cr3t-value"}))
    stored = delivery.all(items, left, seconds=lambda: 3)
    assert not store.exists("slow")
    store.go_on.set()
    assert [(file.path, file.size) for file in stored] == [("a", 9), ("b", 9)]
    assert store.get("b") == b"b ***T***"
    by_reason = {reason.partition(" (")[0]: names for reason, names in left.by_reason.items()}
    assert by_reason["no time was left to store them"] == ["slow"]
    assert sorted(name for names in left.by_reason.values() for name in names) == ["bad", "gone", "slow"]


def test_a_large_file_is_masked_on_its_way(tmp_path: Path) -> None:
    store, left = Folder(tmp_path), Left()
    store.open("triage/", RUN_ID)
    large = tmp_path / "large"
    large.write_bytes(b"x" * IN_MEMORY + b"s3cr3t-value")
    delivery = Delivery(store=store, redactor=Redactor({"T": "s3cr3t-value"}))
    (stored,) = delivery.all([Item(name="a/large", file=large)], left, seconds=lambda: 20)
    content = store.get("a/large")
    assert content == b"x" * IN_MEMORY + b"***T***"
    assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large", "out"]


def in_the_cloud(url: str, bucket: str, key: str) -> dict[str, str]:
    """What the function's environment says on Lambda; the bench's own folder is then never used."""
    return {
        "LAMBDACTL_BUCKET": bucket,
        "LAMBDACTL_DEFINITION": key,
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_a_whole_run_with_s3_and_ssm(bench: Bench, aws: str, bucket: str) -> None:
    s3, ssm = client("s3", aws), client("ssm", aws)
    names = {f"SECRET_{number}": f"/{bucket}/{number}" for number in range(12)}
    for number, parameter in enumerate(names.values()):
        ssm.put_parameter(Name=parameter, Value=f"value-of-{number}-", Type="SecureString")
    document = definition(
        {
            "command": ["/bin/sh", "-c", "echo $A $B; env"],
            "env": {"A": "${secrets.SECRET_0}", "B": "${secrets.SECRET_11}"},
        },
        secrets=names,
    )
    key = f".lambdactl/demo/main/jobs/triage/{bench.store(document).name}"
    s3.put_object(Bucket=bucket, Key=key, Body=canonical(document))
    environment = in_the_cloud(aws, bucket, key)
    done = bench.finish(bench.spawn(document, env=environment, ssm=True), {"version": 1, "runId": RUN_ID})
    assert (done.exit_code, done.response["outcome"]) == (0, "succeeded")
    assert done.response["result"] == f"triage/{RUN_ID}/result.json"
    stored = {each["Key"].removeprefix(f"triage/{RUN_ID}/"): each["Size"] for each in
              s3.list_objects_v2(Bucket=bucket, Prefix=f"triage/{RUN_ID}/")["Contents"]}  # fmt: skip
    assert stored.keys() == {"request.json", "result.json", "stderr/000001.log", "stdout/000001.log"}
    result = json.loads(s3.get_object(Bucket=bucket, Key=done.response["result"])["Body"].read())
    for file in result["files"]:
        assert stored[file["path"]] == file["size"]
    said = s3.get_object(Bucket=bucket, Key=f"triage/{RUN_ID}/stdout/000001.log")
    assert said["ContentType"] == "text/plain; charset=utf-8"
    assert said["Body"].read().startswith(b"***SECRET_0*** ***SECRET_11***\n")
    assert not done.folder.exists()


def test_a_parameter_that_does_not_exist_is_a_stored_failure(bench: Bench, aws: str, bucket: str) -> None:
    s3 = client("s3", aws)
    document = definition({"command": ["true"]}, secrets={"TOKEN": "/not/there"})
    key = bench.store(document).name
    s3.put_object(Bucket=bucket, Key=key, Body=canonical(document))
    child = bench.spawn(document, env=in_the_cloud(aws, bucket, key), ssm=True)
    done = bench.finish(child)
    result = json.loads(s3.get_object(Bucket=bucket, Key=done.response["result"])["Body"].read())
    assert (result["outcome"], result["reason"]) == (
        "failed",
        "SSM has no such parameter for: TOKEN (/not/there); `lambdactl secrets set NAME` sets it",
    )  # fmt: skip


def test_parameters_are_asked_for_ten_at_a_time() -> None:
    asked: list[list[str]] = []

    def get(names: Any) -> tuple[dict[str, str], list[str]]:
        asked.append(list(names))
        return {name: name.upper() for name in names if name != "/p07"}, [
            name for name in names if name == "/p07"
        ]

    declared = {f"S{number}": f"/p{number:02}" for number in range(23)} | {"AGAIN": "/p00"}
    with pytest.raises(SecretError, match=r"for: S7 \(/p07\); "):
        fetch(declared, get)
    assert [len(names) for names in asked] == [10, 10, 3]
    del declared["S7"]
    assert fetch(declared, get)["AGAIN"] == "/P00"
