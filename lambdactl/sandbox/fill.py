"""The layer that fills what emulators leave out of Lambda's answers. Changes answers, nothing else.

AWS translates an image's tag to its digest at deployment and gives the digest back as `CodeSha256`
(64 hex digits), in ListFunctions too, and as `ResolvedImageUri` in GetFunction. moto answers a hash of
the URI's text, ministack nothing. AWS's ListFunctions, other than both, leaves the state out.

Works for functions deployed by digest (`repository@sha256:...`); others pass as they are.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from lambdactl.sandbox.identify import identify
from lambdactl.sandbox.messages import Next, Request, Response

# The answer itself is a function's configuration; the request may say the image.
CONFIGURATION = frozenset(
    {"CreateFunction", "GetFunctionConfiguration", "UpdateFunctionCode", "UpdateFunctionConfiguration"}
)
HIDDEN_IN_LISTS = tuple(
    name + suffix for name in ("State", "LastUpdateStatus") for suffix in ("", "Reason", "ReasonCode")
)


class Fill:
    """Remembers each function's image as it passes; asks the emulator for one it has not seen."""

    def __init__(self) -> None:
        self._images: dict[str, str] = {}  # function ARN without qualifier -> image URI

    def __call__(self, request: Request, following: Next) -> Response:
        service, operation = identify(request)
        response = following(request)
        if service != "lambda" or response.status >= 300 or not response.body:
            return response
        if operation in CONFIGURATION:
            return self._configuration(request, response, following)
        if operation == "GetFunction":
            return self._function(response)
        if operation == "ListFunctions":
            return self._functions(request, response, following)
        return response

    def _configuration(self, request: Request, response: Response, following: Next) -> Response:
        answer = json.loads(response.body)
        given = json.loads(request.body or b"{}")
        image = given.get("ImageUri") or given.get("Code", {}).get("ImageUri")
        if image and not given.get("DryRun"):
            self._images[_arn(answer)] = image
        self._digest(request, answer, following)
        return response.with_body(json.dumps(answer).encode())

    def _function(self, response: Response) -> Response:
        answer = json.loads(response.body)
        image = answer.get("Code", {}).get("ImageUri", "")
        self._images[_arn(answer["Configuration"])] = image
        if digest := _digest(image):
            answer["Code"]["ResolvedImageUri"] = image
            answer["Configuration"]["CodeSha256"] = digest
        return response.with_body(json.dumps(answer).encode())

    def _functions(self, request: Request, response: Response, following: Next) -> Response:
        answer = json.loads(response.body)
        for function in answer.get("Functions", []):
            for name in HIDDEN_IN_LISTS:
                function.pop(name, None)
            self._digest(request, function, following)
        return response.with_body(json.dumps(answer).encode())

    def _digest(self, request: Request, function: dict[str, Any], following: Next) -> None:
        if function.get("PackageType") != "Image":
            return
        arn = _arn(function)
        if arn not in self._images:
            self._images[arn] = self._ask(request, function["FunctionName"], following)
        if digest := _digest(self._images[arn]):
            function["CodeSha256"] = digest

    def _ask(self, request: Request, name: str, following: Next) -> str:
        target = f"/2015-03-31/functions/{quote(name, safe='')}"
        answer = following(replace(request, method="GET", target=target, body=b""))
        return str(json.loads(answer.body)["Code"].get("ImageUri", "")) if answer.status == 200 else ""


def _arn(function: dict[str, Any]) -> str:
    return ":".join(function["FunctionArn"].split(":")[:7])


def _digest(image: str) -> str:
    return image.partition("@sha256:")[2]
