"""Claude Code's models on Bedrock: the proxy signs with the function's role, counts frames, holds limits.

The other end is a stand-in that checks the signature with botocore and frames what the scripted model
says. Bedrock itself was not asked.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from agent.proxy.dialects import bedrock
from agent.proxy.tap import Tap
from agent.result import Usage
from lambdactl.sandbox.model import Model, Request
from tests.agent.bench import Bench, Done, definition
from tests.agent.proxy.upstream import Provider, provider, stream

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
PRICES = {"claude-sonnet-4-5": {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75}}
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAMADEUP",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_SESSION_TOKEN": "made-up-too",
}
FRAMES = "application/vnd.amazon.eventstream"


def frame(document: bytes) -> bytes:
    named = {b":event-type": b"chunk", b":content-type": b"application/json", b":message-type": b"event"}
    headers = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in named.items()
    )
    payload = json.dumps({"bytes": base64.b64encode(document).decode(), "p": "abc"}).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def answer(handler: BaseHTTPRequestHandler, seen: Any) -> None:
    body = json.loads(seen.body)
    assert body.pop("anthropic_version").startswith("bedrock-")
    whole = json.dumps({**body, "stream": True, "model": "claude-sonnet-4-5-20250929"}).encode()
    said = Model().answer(Request(method="POST", path="/v1/messages", headers=(), body=whole))
    assert said.status == 200
    events = [line[6:] for chunk in said.chunks for line in chunk.splitlines() if line.startswith(b"data: ")]
    handler.send_response(200)
    handler.send_header("content-type", FRAMES)
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    for piece in map(frame, events):
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def cloud() -> Iterator[Provider]:
    """What stands for Bedrock."""
    with provider(stream()) as made:
        made.answer = lambda handler: answer(handler, made.seen[-1])
        yield made


def run(
    clis: Bench, cloud: Provider, *steps: dict[str, Any], env: dict[str, str] | None = None, **agent: Any
) -> Done:
    given = {
        "type": "claude-code", "version": "2.1.240", "model": MODEL, "provider": "bedrock",
        "baseUrl": cloud.url,
        "prompt": f"SCRIPT: {json.dumps(steps)}", "prices": PRICES, **agent,
    }  # fmt: skip
    variables = {**AWS, "AWS_DEFAULT_REGION": "eu-central-1", "LAMBDACTL_MODEL_URL": "", **(env or {})}
    return clis.run(definition(given, artifacts=["*.txt"]), env=variables)


def test_requests_are_signed_by_the_role_that_the_agent_does_not_have(clis: Bench, cloud: Provider) -> None:
    done = run(clis, cloud, {"bash": "env | grep -e AWS_ > env.txt"}, {"say": "done"})
    assert (done.ending, done.result["output"]) == (("succeeded", ""), "done")
    assert done.result["costUsd"] > 0
    assert done.result["usage"]["inputTokens"] > 0
    names = {line.partition("=")[0] for line in done.text("artifacts/env.txt").splitlines()}
    assert not names & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert len(cloud.seen) >= 2
    for seen in cloud.seen:
        assert seen.path == f"/model/{MODEL}/invoke-with-response-stream"
        assert seen.headers["authorization"] == signature(cloud, seen)
        assert seen.headers["x-amz-security-token"] == "made-up-too"


def signature(cloud: Provider, seen: Any) -> str:
    """The Authorization that botocore makes for the very request that arrived."""
    request: Any = AWSRequest(method="POST", url=cloud.url + seen.path, data=seen.body)
    found = re.search(
        r"Credential=AKIAMADEUP/\d{8}/eu-central-1/bedrock/aws4_request", seen.headers["authorization"]
    )
    assert found
    credentials = Credentials(
        AWS["AWS_ACCESS_KEY_ID"], AWS["AWS_SECRET_ACCESS_KEY"], AWS["AWS_SESSION_TOKEN"]
    )
    auth: Any = SigV4Auth(credentials, "bedrock", "eu-central-1")
    request.context["timestamp"] = seen.headers["x-amz-date"]
    request.headers["X-Amz-Date"] = seen.headers["x-amz-date"]
    request.headers["X-Amz-Security-Token"] = seen.headers["x-amz-security-token"]
    text = auth.string_to_sign(request, auth.canonical_request(request))
    signed = auth.signed_headers(auth.headers_to_sign(request))
    scope = f"{AWS['AWS_ACCESS_KEY_ID']}/{auth.credential_scope(request)}"
    made = auth.signature(text, request)
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={made}"


def test_a_limit_holds_there_too(clis: Bench, cloud: Provider) -> None:
    many = [{"bash": f"echo {number}"} for number in range(20)]
    done = run(clis, cloud, *many, maxCostUsd=0.1)
    assert done.result["outcome"] == "budget_exceeded"
    assert "of $0.1" in done.result["reason"]


def test_without_credentials_it_says_so(clis: Bench, cloud: Provider) -> None:
    nothing = dict.fromkeys(AWS, "")
    done = run(clis, cloud, {"say": "never"}, env={**nothing, "AWS_EC2_METADATA_DISABLED": "true"})
    assert done.ending == ("failed", "Bedrock needs AWS credentials and a region, and there are none here")


def test_the_scripted_model_stands_in_for_it(clis: Bench, cloud: Provider) -> None:
    with_model = {"LAMBDACTL_MODEL_URL": clis.env["LAMBDACTL_MODEL_URL"]}
    done = run(clis, cloud, {"say": "hello"}, env=with_model)
    assert "401" in done.result["reason"]  # that of the tests asks for a key, the sandbox's does not
    assert cloud.seen == []


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_frames_are_read_however_they_come(size: int) -> None:
    usage = {"input_tokens": 10, "output_tokens": 1}
    events = [
        {"type": "message_start", "message": {"model": "m", "usage": usage}},
        {"type": "message_delta", "usage": {"output_tokens": 20}},
    ]
    content = b"".join(frame(json.dumps(each).encode()) for each in events)
    tap = Tap(bedrock("m"), FRAMES, "")
    for start in range(0, len(content), size):
        tap.feed(content[start : start + size])
    assert (tap.told.usage, tap.told.final) == (Usage(input_tokens=10, output_tokens=20), True)
    broken = Tap(bedrock("m"), FRAMES, "")
    broken.feed(b"\xff" * 100_000)
    assert broken.guessed >= 20_000
