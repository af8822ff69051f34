"""Locks one npm package with its closure: asks npm for a package-lock, keeps what `npm ci` needs.

Installs nothing and runs no package's scripts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdactl.container import last_words
from lambdactl.errors import LockError, MissingTool
from lambdactl.image.programs import environment
from lambdactl.manifest.job import Package

# What decides where a package lands and whether this platform wants it. Dropped: licences, funding,
# engines, deprecation texts, and `resolved`, which would name somebody's registry.
KEPT = (
    "name", "version", "integrity", "dependencies", "optionalDependencies", "peerDependencies",
    "peerDependenciesMeta", "bin", "os", "cpu", "libc", "optional", "dev", "devOptional", "peer",
    "hasInstallScript", "inBundle", "bundleDependencies",
)  # fmt: skip


def manifest(package: Package) -> dict[str, Any]:
    """The package.json of a prefix that holds only `package`."""
    return {
        "name": "bundle",
        "version": "0.0.0",
        "private": True,
        "dependencies": {package.name: package.version},
    }


def package_lock(package: Package, closure: Mapping[str, Any]) -> dict[str, Any]:
    """The package-lock.json that belongs to `manifest(package)`."""
    root = {key: value for key, value in manifest(package).items() if key != "private"}
    return {
        "name": "bundle",
        "version": "0.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {"": root, **closure},
    }


def lock(package: Package, ca_bundle: str = "") -> dict[str, Any]:
    """The closure: path below the prefix -> what package-lock.json says of it."""
    npm = shutil.which("npm")
    if not npm:
        raise MissingTool(
            f"npm is needed to lock {package}",
            hint="install Node.js with npm (https://nodejs.org; Debian: apt-get install npm)",
        )
    with tempfile.TemporaryDirectory(prefix="lambdactl-npm-") as folder:
        Path(folder, "package.json").write_text(json.dumps(manifest(package)), encoding="utf-8")
        argv = [npm, "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            [*argv, "--omit-lockfile-registry-resolved", "--loglevel=error"],
            cwd=folder,
            env=environment(os.environ, ca_bundle),
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        if done.returncode:
            raise LockError(f"npm cannot resolve {package}", why=last_words(done.stderr, 3))
        found = json.loads(Path(folder, "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {path: _entry(package, path, entry) for path, entry in sorted(found.items()) if path}


def _entry(package: Package, path: str, entry: dict[str, Any]) -> dict[str, Any]:
    """One package, kept to what counts; refused unless its content is pinned by the registry's hash."""
    if not entry.get("inBundle") and ("resolved" in entry or "integrity" not in entry):
        source = entry.get("resolved", "an unknown place")
        raise LockError(
            f"{package} needs {path.rpartition('node_modules/')[2]} from {source}, not from the registry",
            hint="choose a version whose dependencies are all published packages",
        )
    return {key: entry[key] for key in KEPT if key in entry}
