"""Brings an image into the project's registry: builds it, pushes it, says its digest.

An image whose fingerprint is in the registry is never built again, on whatever machine it was made.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lambdactl.aws import Aws
from lambdactl.container import Engine
from lambdactl.deadline import NEVER, Deadline
from lambdactl.image.build import (
    DOCKER_MANIFEST,
    build,
    find_local,
    local_ref,
    manifest_of,
    stand_in_manifest,
)
from lambdactl.image.context import Context
from lambdactl.image.oci import Credentials
from lambdactl.image.push import push
from lambdactl.image.tree import install_tree, tree_of
from lambdactl.manifest.job import Settings
from lambdactl.site import Site

Line = Callable[[str], None]
# Builds share the machine and the engine's cache: one after the other they are faster.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Images in the container engine of this machine."""

    engine: Engine
    settings: Settings
    on_line: Line = field(default=lambda line: None, compare=False)
    deadline: Deadline = field(default=NEVER, compare=False)

    def image(self, context: Context) -> str:
        """The engine's name for the image with this content; built unless it is there already."""
        ref = local_ref(self.settings, context.fingerprint)
        with _ONE_AT_A_TIME:
            if find_local(self.engine, ref) is None:
                self.on_line(f"building image {context.fingerprint[:12]}")
                build(context, self.engine, ref, self.settings, self.on_line, self.deadline)
        return ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Images as plain folders of this machine, for runs without a container."""

    settings: Settings
    on_line: Line = field(default=lambda line: None, compare=False)
    deadline: Deadline = field(default=NEVER, compare=False)

    def tree(self, context: Context) -> Path:
        """The folder with this content; made unless it is there already."""
        place = tree_of(self.settings.root, context.fingerprint)
        install_tree(context, place, self.on_line, self.settings.ca_bundle, self.deadline)
        return place


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Callable with a fingerprint; answers the digest behind it in the registry."""

    aws: Aws
    site: Site
    contexts: Mapping[str, Context]
    local: Local

    def __call__(self, fingerprint: str) -> str:
        ref = self.local.image(self.contexts[fingerprint])
        self.local.on_line(f"pushing image {fingerprint[:12]}")
        return push(
            self.local.engine,
            ref,
            self.site.repository_uri,
            fingerprint,
            ecr_credentials(self.aws),
            self.local.settings.ca_bundle,
            self.local.deadline,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPublisher:
    """The sandbox's registry takes no pushes: images stay on this machine, a manifest is recorded."""

    aws: Aws
    site: Site
    contexts: Mapping[str, Context]
    local: Local | Trees

    def __call__(self, fingerprint: str) -> str:
        manifest = self._made(self.contexts[fingerprint])
        parameters = {
            "repositoryName": self.site.repository,
            "imageManifest": manifest.decode(),
            "imageManifestMediaType": DOCKER_MANIFEST,
            "imageTag": fingerprint,
        }
        answer = self.aws.call("ecr", "PutImage", parameters)
        return str(answer["image"]["imageId"]["imageDigest"])

    def _made(self, context: Context) -> bytes:
        if isinstance(self.local, Trees):
            self.local.tree(context)
            return stand_in_manifest(f"sha256:{context.fingerprint}")
        return manifest_of(self.local.engine, self.local.image(context))


def ecr_credentials(aws: Aws) -> Credentials:
    """For 12 hours; the registry's address comes from the site, never from the token."""
    data = aws.call("ecr", "GetAuthorizationToken", {})["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return Credentials(user, password)
