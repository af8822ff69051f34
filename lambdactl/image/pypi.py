"""Locks PyPI packages with their closure: asks uv for one resolution that holds on every platform.

A universal resolution serves both architectures, any base image's Python from `PYTHONS[0]` on, and
a developer's machine. Wheels only: a build would run whatever build tools it finds, unlocked.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from lambdactl.container import last_words
from lambdactl.errors import LockError
from lambdactl.image.programs import environment
from lambdactl.manifest.job import Package

# The oldest Python a closure is tried for; a package that asks for more gets it.
PYTHONS = ("3.11", "3.12", "3.13")


def requirements(closure: Mapping[str, Any]) -> str:
    """The requirements.txt that installs exactly this closure."""
    lines = []
    for requirement, hashes in sorted(closure["requirements"].items()):
        lines.append(" \\\n    ".join([requirement, *(f"--hash={value}" for value in hashes)]))
    return "\n".join(lines) + "\n"


def lock(pins: Iterable[Package], ca_bundle: str = "") -> dict[str, Any]:
    """{"python": oldest Python, "requirements": {"name==version ; marker": [sha256:..., ...]}}."""
    wanted = [f"{pin.name}=={pin.version}" for pin in pins]
    for python in PYTHONS:
        done = _compile(wanted, python, ca_bundle)
        if done.returncode == 0:
            return {"python": python, "requirements": _parse(done.stdout.decode())}
    raise LockError(f"uv cannot resolve {' '.join(wanted)}", why=last_words(done.stderr))


def _compile(wanted: list[str], python: str, ca_bundle: str) -> subprocess.CompletedProcess[bytes]:
    import uv

    argv = [uv.find_uv_bin(), "pip", "compile", "-", "--universal", "--python-version", python]
    argv += ["--generate-hashes", "--only-binary", ":all:", "--no-python-downloads", "--quiet"]
    argv += ["--no-annotate", "--no-header", "--no-emit-find-links"]
    text = "\n".join(wanted).encode()
    return subprocess.run(argv, input=text, env=environment(os.environ, ca_bundle), capture_output=True)


def _parse(text: str) -> dict[str, list[str]]:
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = (part.strip() for part in line.split("--hash="))
        if requirement:
            found[requirement] = sorted(hashes)
    return dict(sorted(found.items()))
