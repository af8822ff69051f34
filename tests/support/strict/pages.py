"""Bulk answers in AWS's pages, and without what AWS leaves out of them.

Source: the API references of ListFunctions (50, whatever MaxItems says), ListRoles and
GetAccountAuthorizationDetails (100, at most 1,000; ListRoles shows no Tags, PermissionsBoundary and
RoleLastUsed), DescribeLogGroups (50). moto gives all functions in one page, ministack all roles.
ListObjectsV2 has AWS's pages of 1,000 on both already (measured).
"""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, changed, seen

IAM = "{https://iam.amazonaws.com/doc/2010-05-08/}"
LISTS = {
    "ListRoles": ("Roles",),
    "GetAccountAuthorizationDetails": ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"),
}
OMITTED = ("Tags", "PermissionsBoundary", "RoleLastUsed")
JSON = {  # operation: its list, the token it takes, the one it gives, the page's size and its name
    "ListFunctions": ("Functions", "Marker", "NextMarker", 50, "MaxItems"),
    "DescribeLogGroups": ("logGroups", "nextToken", "nextToken", 50, "limit"),
}
Items = list[tuple[str, Any]]  # (name of its list, the item)


class _Refused(Exception):
    """The emulator's own refusal of a listing: passed on."""

    def __init__(self, response: Response) -> None:
        self.response = response


class Pages:
    """The layer. A first page reads all from the emulator; the next ones come from what was read then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[str, Items] = {}

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        try:
            if call.service in ("lambda", "logs") and call.operation in JSON:
                return self._json(call, request, following)
            if call.service == "iam" and call.operation in LISTS:
                return self._xml(call, request, following)
        except _Refused as refused:
            return refused.response
        return following(request)

    def _json(self, call: Seen, request: Request, following: Next) -> Response:
        name, takes, gives, most, size = JSON[call.operation]

        def all_items() -> Iterator[tuple[str, Any]]:
            token = ""
            while True:
                answer = json.loads(_read(following, _with(request, {takes: token, size: most})))
                yield from ((name, each) for each in answer.get(name, []))
                token = answer.get(gives) or ""
                if not token:
                    return

        asked = int(call.parameters.get(size, most))
        items, after = self._page(call.parameters.get(takes), min(asked, most), all_items)
        answer = {name: [each for _, each in items], **({gives: after} if after else {})}
        return changed(Response(status=200, headers=(("Content-Type", "application/json"),)), answer)

    def _xml(self, call: Seen, request: Request, following: Next) -> Response:
        def all_items() -> Iterator[tuple[str, Any]]:
            marker = ""
            while True:
                page = _with(request, {"Marker": marker, "MaxItems": 1000})
                result = ET.fromstring(_read(following, page))[0]
                for name in LISTS[call.operation]:
                    for each in result.findall(f"{IAM}{name}/{IAM}member"):
                        yield name, _narrowed(call, each)
                if result.findtext(f"{IAM}IsTruncated") != "true":
                    return
                marker = result.findtext(f"{IAM}Marker", "")

        size = int(call.parameters.get("MaxItems", 100))
        items, after = self._page(call.parameters.get("Marker"), min(size, 1000), all_items)
        return _written(call, items, after)

    def _page(self, token: Any, size: int, read: Any) -> tuple[Items, str]:
        number, _, offset = str(token or "").partition(".")
        start = int(offset or 0)
        items = self._read[number] if number else list(read())
        if start + size >= len(items):
            return items[start:], ""
        with self._lock:
            number = number or str(len(self._read))
            self._read[number] = items
        return items[start : start + size], f"{number}.{start + size}"


def _read(following: Next, request: Request) -> bytes:
    response = following(request)
    if response.status >= 300:
        raise _Refused(response)
    return response.body


def _with(request: Request, parameters: dict[str, Any]) -> Request:
    """The same request with other paging; an empty value takes a parameter out."""
    given = {key: str(value) for key, value in parameters.items() if value}

    def put(text: str) -> str:
        return urlencode({k: v for k, v in parse_qsl(text) if k not in parameters} | given)

    if request.header("content-type").startswith("application/x-www-form-urlencoded"):
        return replace(request, body=put(request.body.decode()).encode())
    if request.method == "GET":
        return replace(request, target=f"{request.path}?{put(request.query)}")
    body = {k: v for k, v in json.loads(request.body).items() if k not in parameters}
    return replace(request, body=json.dumps(body | {k: v for k, v in parameters.items() if v}).encode())


def _narrowed(call: Seen, role: Any) -> Any:
    if call.operation == "ListRoles":
        for name in OMITTED:
            if (found := role.find(IAM + name)) is not None:
                role.remove(found)
    return role


def _written(call: Seen, items: Items, after: str) -> Response:
    whole = ET.Element(f"{IAM}{call.operation}Response")
    result = ET.SubElement(whole, f"{IAM}{call.operation}Result")
    for name in LISTS[call.operation]:
        ET.SubElement(result, IAM + name).extend(each for listed, each in items if listed == name)
    ET.SubElement(result, f"{IAM}IsTruncated").text = "true" if after else "false"
    if after:
        ET.SubElement(result, f"{IAM}Marker").text = after
    return Response(status=200, headers=(("Content-Type", "text/xml"),), body=ET.tostring(whole))
