"""Moves an image between the local engine and a registry, and reads back what is there.

The registry's answer is the truth: tags are immutable, and an answer to a push can get lost.
"""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lambdactl.container import Engine
from lambdactl.deadline import NEVER, Deadline
from lambdactl.errors import BuildError
from lambdactl.image import oci
from lambdactl.image.oci import Credentials

PUSH_SECONDS = 3600.0  # where no time limit says more or less


def registry_digest(
    repository_uri: str, tag: str, credentials: Credentials | None = None, ca_bundle: str = ""
) -> str | None:
    """The digest behind a tag, None when the registry has no such image."""
    return oci.digest_of(f"{repository_uri}:{tag}", credentials=credentials, ca_bundle=ca_bundle)


def push(
    engine: Engine,
    local_ref: str,
    repository_uri: str,
    tag: str,
    credentials: Credentials | None = None,
    ca_bundle: str = "",
    deadline: Deadline = NEVER,
) -> str:
    """Push, check what arrived, return its digest. Pushing what is there already is a success."""
    remote = f"{repository_uri}:{tag}"
    engine.call("tag", local_ref, remote, error=BuildError)
    try:
        with _logged_in(engine, repository_uri, credentials) as env:
            left = deadline.left()
            done = engine.call(
                "push",
                *_plain_http(engine, repository_uri),
                remote,
                env=env,
                check=False,
                timeout=PUSH_SECONDS if left is None else left,
                error=BuildError,
            )
    except BuildError:
        deadline.check()
        raise
    finally:
        engine.call("rmi", remote, check=False)
    manifest = oci.manifest_of(remote, credentials=credentials, ca_bundle=ca_bundle)
    if manifest is None:
        why = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
        raise BuildError("the image could not be pushed", where=remote, why=why)
    # Also after a failed push: an immutable tag that exists names the same content.
    check_manifest(manifest, remote)
    return manifest.digest


def pull(engine: Engine, repository_uri: str, digest: str, credentials: Credentials | None = None) -> str:
    """Fetch an image by digest; returns the engine's name for it."""
    remote = f"{repository_uri}@{digest}"
    with _logged_in(engine, repository_uri, credentials) as env:
        engine.call("pull", *_plain_http(engine, repository_uri), remote, env=env, error=BuildError)
    return remote


def check_manifest(manifest: oci.Manifest, where: str) -> None:
    """Refuse what Lambda refuses: an index, and layers that are not gzip."""
    if manifest.media_type in oci.INDEXES:
        raise BuildError(
            "the registry holds an index of images; Lambda takes one manifest",
            where=where,
            hint="build with --provenance=false --sbom=false, or delete this tag and apply again",
        )
    if manifest.media_type not in oci.MANIFESTS:
        raise BuildError(f"the registry holds {manifest.media_type!r}, not an image", where=where)
    for layer in json.loads(manifest.content)["layers"]:
        if not layer["mediaType"].endswith(("tar.gzip", "tar+gzip")):
            raise BuildError(f"a layer is {layer['mediaType']!r}; Lambda takes gzip", where=where)


@contextlib.contextmanager
def _logged_in(
    engine: Engine, repository_uri: str, credentials: Credentials | None
) -> Iterator[dict[str, str]]:
    """An environment whose engine configuration knows these credentials and nothing else.

    A file of our own for the time of one call, instead of `login`, which would leave them in the
    user's configuration or key chain.
    """
    with tempfile.TemporaryDirectory(prefix="lambdactl-login-") as folder:
        auths = {}
        if credentials:
            text = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
            auths = {oci.parse(repository_uri).host: {"auth": text}}
        config = Path(folder, "config.json")
        config.touch(mode=0o600)
        config.write_text(json.dumps({"auths": auths}), encoding="utf-8")
        if engine.name == "podman":
            yield {"REGISTRY_AUTH_FILE": str(config)}
        else:
            # The user's configuration also names the daemon: keep that.
            host = engine.call("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", check=False)
            daemon = host.stdout.decode().strip() if host.returncode == 0 else ""
            yield {"DOCKER_CONFIG": folder} | ({"DOCKER_HOST": daemon} if daemon else {})


def _plain_http(engine: Engine, repository_uri: str) -> list[str]:
    """docker takes loopback registries over HTTP by itself, podman has to be told."""
    loopback = oci.is_loopback(oci.parse(repository_uri).host)
    return ["--tls-verify=false"] if engine.name == "podman" and loopback else []
