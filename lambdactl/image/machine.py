"""What a machine, not a project, decides about builds: three environment variables. Changes nothing.

A CA bundle's path, a build network or a base image from a registry next door belong to the machine;
in lambdactl.yaml they would be wrong for everybody else. None of them changes what is in an image
but the base, whose digest is in the fingerprint as always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lambdactl.manifest.job import Settings

BASE_IMAGE = "LAMBDACTL_BASE_IMAGE"  # by digest (name@sha256:...) it needs no entry in the lock
CA_BUNDLE = "LAMBDACTL_CA_BUNDLE"
BUILD_NETWORK = "LAMBDACTL_BUILD_NETWORK"
# Set where a TLS proxy stands before everything: OpenSSL, uv and pip read it, so builds do too.
SYSTEM_CA_BUNDLE = "SSL_CERT_FILE"


def on_machine(project: Settings, environ: Mapping[str, str]) -> Settings:
    """The project's settings with this machine's in place of them, where it has any.

    A CA bundle of the project is a path below its root; afterwards it is one from anywhere.
    """
    of_project = str(project.root / project.ca_bundle) if project.ca_bundle else ""
    ca_bundle = environ.get(CA_BUNDLE) or of_project or _file(environ.get(SYSTEM_CA_BUNDLE, ""))
    return replace(
        project,
        base_image=environ.get(BASE_IMAGE) or project.base_image,
        ca_bundle=ca_bundle,
        build_network=environ.get(BUILD_NETWORK) or project.build_network,
    )


def _file(path: str) -> str:
    """`path`, or "" when nothing is there: nobody asked us for this one, so nobody is refused for it."""
    return path if path and Path(path).is_file() else ""
