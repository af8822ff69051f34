"""Where a bundled package and its program lie below the image's home. Pure."""

from __future__ import annotations

import re

from lambdactl.manifest.job import Package


def slug(package: Package) -> str:
    """A file name for a package: `modelcontextprotocol-server-github-2025.4.8`."""
    return _plain(f"{package.name}-{package.version}")


def launcher(package: Package, executable: str = "") -> str:
    """The program `npx` or `uvx` would start for `package`; `executable` names another one of it."""
    suffix = f"+{_plain(executable)}" if executable else ""
    return f"run/{package.registry}/{slug(package)}{suffix}"


def prefix(package: Package) -> str:
    """The folder a package and its whole closure are installed into, alone."""
    return f"{package.registry}/{slug(package)}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")
