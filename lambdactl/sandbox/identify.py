"""Which AWS service and operation an HTTP request means. Pure: reads the request and botocore's models.

AWS speaks several protocols, and each says it elsewhere: the JSON ones in a header, the query one in
the body, the REST ones in method, path and query string. For REST the table is botocore's own, so that
a service nobody thought of here is recognised too.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from lambdactl.sandbox.messages import Request

UNKNOWN = ("unknown", "unknown")

# SigV4 knows some services by another name than boto3 does.
CLIENTS = {"monitoring": "cloudwatch", "states": "stepfunctions", "tagging": "resourcegroupstaggingapi"}
# Calls of the query protocol that need no signature (AssumeRoleWithWebIdentity): known by API version.
QUERY_VERSIONS = {"2011-06-15": "sts", "2010-05-08": "iam"}

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/,]+)/aws4_request")
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=[^/,\s]+/\d{8}/[^/,\s]+/([a-z0-9-]+)/aws4_request, *"
    r"SignedHeaders=[^,\s]+, *Signature=[^,\s]+"
)
_SMITHY = re.compile(r"^/service/[^/]+/operation/([^/?]+)$")


def identify(request: Request) -> tuple[str, str]:
    """(boto3's name of the service, the operation), or UNKNOWN for what is no AWS call."""
    if request.path.startswith("/_"):
        return UNKNOWN  # an emulator's own pages; no bucket's name starts so
    service = _service(request)
    if service and routes(service):
        return _rest(request, service)
    target = request.header("x-amz-target")
    if target:
        return service or "unknown", target.rpartition(".")[2]
    smithy = _SMITHY.match(request.path)
    if smithy:
        return service or "unknown", smithy[1]
    if action := _query(request, "Action"):
        return service or QUERY_VERSIONS.get(_query(request, "Version"), "unknown"), action
    if not service and request.header("authorization"):
        return UNKNOWN
    return _rest(request, service or "s3")  # only S3 answers who has no key at all


def plain(request: Request) -> bool:
    """Whether every reader takes it for the same call, in whatever order it looks at the signs.

    So: one signature, in one header, and no sign of a protocol that the signed service does not speak.
    """
    times = Counter(name.lower() for name, _ in request.headers)
    signed = _SIGNED.fullmatch(request.header("authorization"))
    if not signed or any(times[name] > 1 for name in ("authorization", "x-amz-target", "content-type")):
        return False
    if routes(CLIENTS.get(signed[1], signed[1])):
        return not times["x-amz-target"]
    return request.target == "/"


def _service(request: Request) -> str:
    scope = _SCOPE.search(request.header("authorization"))
    if scope:
        return CLIENTS.get(scope[1], scope[1])
    presigned = dict(parse_qsl(request.query)).get("X-Amz-Credential", "").split("/")
    return CLIENTS.get(presigned[3], presigned[3]) if len(presigned) == 5 else ""


def _query(request: Request, name: str) -> str:
    form = request.header("content-type").startswith("application/x-www-form-urlencoded")
    text = request.body.decode("utf-8", "replace") if form else request.query
    return parse_qs(text).get(name, [""])[0]


def _rest(request: Request, service: str) -> tuple[str, str]:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    headers = {name.lower() for name, _ in request.headers}
    for route in routes(service):
        if route.fits(request.method, request.path, query, headers):
            return service, route.operation
    return service, "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One REST operation: what of a request must be there. `query` with "" asks for the name only."""

    operation: str
    method: str
    path: re.Pattern[str]
    literal: int  # characters of the path that are no placeholder
    query: tuple[tuple[str, str], ...]
    headers: frozenset[str]
    deprecated: bool

    @property
    def rank(self) -> tuple[int, int, bool]:
        """Sorts the most demanding route first: UploadPart before PutObject, both PUT /bucket/key."""
        return -len(self.query) - len(self.headers), -self.literal, self.deprecated

    def fits(self, method: str, path: str, query: dict[str, str], headers: set[str]) -> bool:
        return (
            method == self.method
            and all(name in query and value in ("", query[name]) for name, value in self.query)
            and self.headers <= headers
            and self.path.fullmatch(path) is not None
        )


@lru_cache
def routes(service: str) -> tuple[Route, ...]:
    """Every operation of a REST service, the most demanding first; () for another, or an unknown one."""
    from botocore.exceptions import UnknownServiceError
    from botocore.loaders import Loader

    try:
        model = Loader().load_service_model(service, "service-2")
    except UnknownServiceError:
        return ()
    if not model["metadata"]["protocol"].startswith("rest"):
        return ()
    found = [_route(name, operation, model["shapes"]) for name, operation in model["operations"].items()]
    return tuple(sorted(found, key=lambda route: route.rank))


def _route(name: str, operation: dict[str, Any], shapes: dict[str, Any]) -> Route:
    template, _, literal_query = operation["http"]["requestUri"].partition("?")
    shape = shapes.get(operation.get("input", {}).get("shape", ""), {})
    needed = [shape["members"][member] for member in shape.get("required", ())]
    in_query = [(m["locationName"], "") for m in needed if m.get("location") == "querystring"]
    in_header = [m["locationName"].lower() for m in needed if m.get("location") == "header"]
    return Route(
        operation=name,
        method=operation["http"]["method"],
        path=_pattern(template),
        literal=len(re.sub(r"\{[^}]*\}", "", template)),
        query=(*parse_qsl(literal_query, keep_blank_values=True), *in_query),
        headers=frozenset(in_header),
        deprecated=operation.get("deprecated", False),
    )


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", template.rstrip("/"))
    text = "".join(
        (".+" if part.endswith("+}") else "[^/]+") if part.startswith("{") else re.escape(part)
        for part in parts
    )
    return re.compile(f"{text}/?", re.DOTALL)
