"""Fills an emulated account quickly: what kinds would create, and strangers, sent as bare HTTP requests.

For ministack, which checks no signature. A thousand jobs take seconds; through botocore and a front they
would take a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from lambdactl.engine import Call, ImageRef, Resource
from lambdactl.sandbox.messages import Request, Response, Upstream

ACCOUNT = "123456789012"
REGION = "us-east-1"
# Shared resources come first; within a job, what needs another comes after it.
_ORDER = ("bucket", "repository", "image", "definition", "role", "log_group", "function", "stamp")


def populate(url: str, wanted: Iterable[Resource], images: Mapping[str, str]) -> None:
    """All of `wanted` is there, as an apply would have left it. `images`: tag -> image URI."""
    upstream = Upstream(url)
    for resource in sorted(wanted, key=lambda each: _ORDER.index(each.kind)):
        if resource.kind in ("bucket", "repository", "image"):
            continue  # few, and made by whoever knows the registry
        for effect in resource.create():
            assert isinstance(effect, Call)
            _sent(upstream, _request(effect, images))
    upstream.close()


def strangers(url: str, count: int) -> None:
    """Functions and roles of somebody else."""
    upstream = Upstream(url)
    for number in range(count):
        name = f"stranger-{number:05}"
        role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        trust = {"Version": "2012-10-17", "Statement": []}
        function = {"FunctionName": name, "Role": role, "PackageType": "Image", "Code": {"ImageUri": "x/y:z"}}
        _sent(upstream, _iam("CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": json.dumps(trust)}))
        _sent(upstream, _lambda("POST", "/2015-03-31/functions", function))
    upstream.close()


def _sent(upstream: Upstream, request: Request) -> Response:
    response = upstream(request)
    assert response.status < 300, (request.target, response.status, response.body)
    return response


def _request(call: Call, images: Mapping[str, str]) -> Request:
    parameters: dict[str, Any] = _resolved(call.parameters, images)
    match call.service, call.operation:
        case "lambda", "CreateFunction":
            return _lambda("POST", "/2015-03-31/functions", parameters)
        case "lambda", "PutFunctionEventInvokeConfig":
            name = parameters.pop("FunctionName")
            return _lambda("PUT", f"/2019-09-25/functions/{name}/event-invoke-config", parameters)
        case "logs", operation:
            headers = {
                "X-Amz-Target": f"Logs_20140328.{operation}",
                "Content-Type": "application/x-amz-json-1.1",
            }
            return _of("logs", "POST", "/", headers, json.dumps(parameters).encode())
        case "s3", "PutObject":
            return _of(
                "s3", "PUT", f"/{parameters['Bucket']}/{quote(parameters['Key'])}", {}, parameters["Body"]
            )
        case "iam", operation:
            return _iam(operation, parameters)
    raise NotImplementedError(f"{call.service}.{call.operation}")


def _resolved(value: Any, images: Mapping[str, str]) -> Any:
    if isinstance(value, ImageRef):
        return images[value.tag]
    if isinstance(value, Mapping):
        return {key: _resolved(each, images) for key, each in value.items()}
    return value


def _lambda(method: str, target: str, document: Any) -> Request:
    return _of("lambda", method, target, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _iam(operation: str, parameters: Mapping[str, Any]) -> Request:
    fields = {"Action": operation, "Version": "2010-05-08", **dict(_flat(parameters))}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _of("iam", "POST", "/", headers, urlencode(fields).encode())


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """As the query protocol writes it: Tags.member.1.Key=..."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, each in enumerate(value, 1):
            yield from _flat(each, f"{path}.member.{number}")
    else:
        yield path, value


def _of(service: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    scope = f"{ACCOUNT}/20260101/{REGION}/{service}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
    given = {"Host": "localhost", "Authorization": signed, **headers}
    return Request(method=method, target=target, headers=tuple(given.items()), body=body)
