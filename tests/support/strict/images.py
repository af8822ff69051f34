"""Lambda takes only an image that is in the account's own ECR, in a form it knows, and not too young.

Source: docker/buildx #1533 (an index is refused), kreuzwerker/terraform-provider-docker #600 (an image just
pushed is not there yet; for how long is unverified), osls (another region). Emulators take any text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import ask, invalid, seen
from tests.support.strict.clock import Clock

MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
CONFIGS = ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json")
LAYERS = (
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.v1.tar+gzip",
)
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_URI = re.compile(
    r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)(?::([^@]+)|@(sha256:[0-9a-f]{64}))"
)
_REGION = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/")


@dataclass(kw_only=True)
class Images:
    """The layer. An image is there for Lambda `visible` seconds after its first PutImage."""

    clock: Clock
    visible: float = 2.0
    _pushed: dict[tuple[str, str], float] = field(default_factory=dict)

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        if (call.service, call.operation) == ("ecr", "PutImage"):
            return self._put(call.parameters, following(request))
        if call.service == "lambda" and call.operation in ("CreateFunction", "UpdateFunctionCode"):
            uri = call.parameters.get("ImageUri") or call.parameters.get("Code", {}).get("ImageUri")
            if uri and (text := self._wrong(uri, request, following)):
                return invalid("lambda", text)
        return following(request)

    def _put(self, parameters: Mapping[str, Any], response: Response) -> Response:
        if response.status < 300:
            found = json.loads(response.body)["image"]["imageId"]
            for name in filter(None, (found.get("imageTag"), found["imageDigest"])):
                self._pushed.setdefault((parameters["repositoryName"], name), self.clock())
        return response

    def _wrong(self, uri: str, request: Request, following: Next) -> str:
        match, region = _URI.fullmatch(uri), _REGION.search(request.header("authorization"))
        if not match or not region or match[1] != region[1]:
            return f"Source image {uri} is not valid. Provide a valid source image."
        _, repository, tag, digest = match.groups()
        found = ask(
            *(following, request, "ecr", "BatchGetImage"),
            repositoryName=repository,
            imageIds=[{"imageTag": tag} if tag else {"imageDigest": digest}],
            acceptedMediaTypes=[*MANIFESTS, *INDEXES],
        )
        pushed = self._pushed.get((repository, tag or digest), float("-inf"))
        if not found or not found["images"] or self.clock() - pushed < self.visible:
            return f"Source image {uri} does not exist. Provide a valid source image."
        if not _known(json.loads(found["images"][0]["imageManifest"])):
            return (
                f"The image manifest, config or layer media type for the source image {uri} is not supported."
            )
        return ""


def _known(manifest: Mapping[str, Any]) -> bool:
    return (
        manifest.get("mediaType", MANIFESTS[1]) in MANIFESTS
        and manifest.get("config", {}).get("mediaType") in CONFIGS
        and all(layer["mediaType"] in LAYERS for layer in manifest.get("layers", ()))
    )
