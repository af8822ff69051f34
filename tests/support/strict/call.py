"""What the layers share: a request read as an AWS call, a refusal in AWS's words, a question to the emulator.

Knows botocore's models; knows no behaviour of AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from lambdactl.sandbox.answers import refusal, xml_refusal
from lambdactl.sandbox.identify import identify
from lambdactl.sandbox.messages import Headers, Next, Request, Response

XML = frozenset({"iam", "s3", "sts"})
_FUNCTION = re.compile(r"/20\d\d-\d\d-\d\d/functions/([^/]+)")
_TAGS = re.compile(r"/20\d\d-\d\d-\d\d/tags/(.+)")
_IN_PATHS = (
    ("lambda", _FUNCTION, "FunctionName"),
    ("lambda", _TAGS, "Resource"),
    ("scheduler", re.compile(r"/schedule(?:s|-groups)/([^/?]+)"), "Name"),
)
_SCOPE = re.compile(r"(Credential=[^/]+/\d{8}/[^/]+)/[^/,]+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One call as it was sent. `parameters` are read only."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    @property
    def function(self) -> str:
        """The bare name of the Lambda function it is about, or ""."""
        given = str(self.parameters.get("FunctionName") or self.parameters.get("Resource") or "")
        return given.split(":function:")[-1].split(":")[0] if self.service == "lambda" else ""

    @property
    def resource(self) -> str:
        """What it is about, by whatever name the service has for it."""
        names = ("RoleName", "repositoryName", "logGroupName", "Name", "Path")
        return self.function or next((str(self.parameters[n]) for n in names if n in self.parameters), "")


@lru_cache(64)  # every layer reads the same request
def seen(request: Request) -> Seen:
    service, operation = identify(request)
    return Seen(service=service, operation=operation, parameters=_parameters(service, request))


def _parameters(service: str, request: Request) -> dict[str, Any]:
    if service == "s3":
        return {**dict(parse_qsl(request.query, keep_blank_values=True)), "Path": unquote(request.path)}
    if request.header("content-type").startswith("application/x-www-form-urlencoded"):
        return _nested(request.body.decode())
    found: dict[str, Any] = dict(parse_qsl(request.query, keep_blank_values=True))
    if request.body:
        found |= json.loads(request.body)
    for of, pattern, key in _IN_PATHS:
        if service == of and (match := pattern.match(request.path)):
            found[key] = unquote(match[1])
    return found


def _nested(form: str) -> dict[str, Any]:
    """`Tags.member.1.Key=a` as {"Tags": [{"Key": "a"}]}."""
    found: dict[str, Any] = {}
    lists: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in parse_qsl(form, keep_blank_values=True):
        name, member, rest = key.partition(".member.")
        if not member:
            found[key] = value
            continue
        number, _, leaf = rest.partition(".")
        item = lists.setdefault((name, number), {})
        item[leaf] = value
        if len(item) == 1:
            found.setdefault(name, []).append(item if leaf else value)
    return found


def refuse(service: str, status: int, code: str, message: str, *, headers: Headers = ()) -> Response:
    """An error as this service's protocol writes it."""
    if service in XML:
        response = xml_refusal(status, code, message)
        return replace(response, headers=(*response.headers, *headers))
    body = {"__type": code, "Type": "User", "message": message, "Message": message}
    return refusal(status, code, message, headers=headers).with_body(json.dumps(body).encode())


def invalid(service: str, message: str) -> Response:
    return refuse(service, 400, "InvalidParameterValueException", message)


def changed(response: Response, answer: Any) -> Response:
    return response.with_body(json.dumps(answer).encode())


@lru_cache
def _model(service: str) -> Any:
    return botocore.session.Session().get_service_model(service)


def ask(following: Next, like: Request, service: str, operation: str, **parameters: Any) -> Any | None:
    """A read of the emulator's own state, in the account and region of `like`; None when it refuses."""
    model = _model(service).operation_model(operation)
    protocol = model.service_model.resolved_protocol
    made = create_serializer(protocol, False).serialize_to_request(parameters, model)
    prepare_request_dict(made, endpoint_url="http://localhost")
    prepared = create_request_object(made).prepare()
    parts = urlsplit(prepared.url)
    authorization = _SCOPE.sub(rf"\1/{service}/", like.header("authorization"))
    kept = [(k, v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()]
    body = prepared.body or b""
    answer = following(
        Request(
            method=prepared.method,
            target=parts.path + (f"?{parts.query}" if parts.query else ""),
            headers=(("Host", "localhost"), ("Authorization", authorization), *kept),
            body=body.encode() if isinstance(body, str) else bytes(body),
        )
    )
    if answer.status >= 300:
        return None
    whole = {"status_code": answer.status, "headers": HeadersDict(dict(answer.headers)), "body": answer.body}
    return create_parser(protocol).parse(whole, model.output_shape)
