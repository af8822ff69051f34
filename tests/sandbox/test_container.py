"""Invoke, all the way: a real daemon runs a real container, which reaches the sandbox and no further."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdactl import sandbox
from lambdactl.container import Engine
from lambdactl.image.build import local_ref
from lambdactl.manifest.job import Settings

# A runtime in a few lines: one event; what it can call of AWS is its answer.
RUNTIME = r"""
import json, os, urllib.error, urllib.request

def call(method, url, body=None, headers={}):
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(), {}

def scope(service):
    credential = f"Credential=made/20260101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature={'0' * 64}"}

api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
_, event, headers = call("GET", f"{api}/next")
aws, model = os.environ["AWS_ENDPOINT_URL"], os.environ["LAMBDACTL_MODEL_URL"]
print("put", call("PUT", f"{aws}/bucket-of-runs/run/result.json", event.encode(), scope("s3"))[0], flush=True)
form = {**scope("iam"), "Content-Type": "application/x-www-form-urlencoded"}
answer = {
    "event": json.loads(event),
    "iam": call("POST", aws, b"Action=ListRoles&Version=2010-05-08", form)[0],
    "functions": call("GET", f"{aws}/2015-03-31/functions", None, scope("lambda"))[0],
    "model": call("GET", f"{model}/v1/models")[0],
    "key": os.environ["AWS_ACCESS_KEY_ID"],
    "own": os.environ["OWN"],
}
given = {name.lower(): value for name, value in headers.items()}
proof = {"Lambda-Runtime-Invocation-Id": given["lambda-runtime-invocation-id"]}
response = f"{api}/{given['lambda-runtime-aws-request-id']}/response"
call("POST", response, json.dumps(answer).encode(), proof)
"""

REPOSITORY = "lambdactl/demo/main"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    sandbox.down(tmp_path, purge=True)


@pytest.fixture
def image(engine: Engine, base_tag: str) -> Iterator[str]:
    """An image under the name that a build gives it: made by hand, nothing is built or pulled."""
    tag = uuid.uuid4().hex
    ref = local_ref(Settings(name="demo", root=Path()), tag)
    name = f"lambdactl-test-{tag}"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("runtime.py")
        entry.size, entry.mode = len(RUNTIME.encode()), 0o644
        tar.addfile(entry, io.BytesIO(RUNTIME.encode()))
    engine.call("create", "--name", name, base_tag)
    try:
        engine.call("cp", "-", f"{name}:/opt", input=archive.getvalue())
        engine.call("commit", "--change", 'ENTRYPOINT ["python3", "/opt/runtime.py"]', name, ref)
    finally:
        engine.call("rm", name)
    yield tag
    engine.call("rmi", ref)


def client(service: str, root: Path) -> Any:
    endpoint = sandbox.endpoint(root)
    return boto3.Session(**sandbox.session_arguments(endpoint)).client(service, endpoint_url=endpoint.url)


def deploy(root: Path, tag: str) -> None:
    manifest = json.dumps({"schemaVersion": 2, "layers": [], "tag": tag})
    digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    client("ecr", root).create_repository(repositoryName=REPOSITORY)
    client("ecr", root).put_image(repositoryName=REPOSITORY, imageManifest=manifest, imageTag=tag)
    client("s3", root).create_bucket(Bucket="bucket-of-runs")
    client("logs", root).create_log_group(logGroupName="/aws/lambda/demo-main-x")
    client("lambda", root).create_function(
        FunctionName="demo-main-x",
        Role="arn:aws:iam::000000000000:role/x",
        PackageType="Image",
        Code={"ImageUri": f"{sandbox.REGISTRY}/{REPOSITORY}@{digest}"},
        Environment={"Variables": {"OWN": "variable"}},
        Timeout=60,
        MemorySize=256,
    )


def test_a_container_runs_and_reaches_only_what_a_run_may(root: Path, engine: Engine, image: str) -> None:
    sandbox.up(root, engine=engine.executable)
    deploy(root, image)
    answer = client("lambda", root).invoke(FunctionName="demo-main-x", Payload=b'{"n": 7}', LogType="Tail")
    assert json.loads(answer["Payload"].read()) == {
        "event": {"n": 7},
        "iam": 403,
        "functions": 403,
        "model": 200,
        "key": "ASIASANDBOXSANDBOX00",
        "own": "variable",
    }
    stored = client("s3", root).get_object(Bucket="bucket-of-runs", Key="run/result.json")
    assert json.loads(stored["Body"].read()) == {"n": 7}
    events = client("logs", root).filter_log_events(logGroupName="/aws/lambda/demo-main-x")["events"]
    lines = [event["message"] for event in events]
    assert lines[0].startswith("START RequestId: ")
    assert "put 200" in lines
    assert lines[-1].startswith("REPORT RequestId: ")
