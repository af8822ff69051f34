"""npm packages for tests, installed once outside the repository, in the user's cache.

A folder's name is made from what is in it, so a new pin installs anew and an old one is never changed
under a running test.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support import once
from tests.support.require import missing

# How npm reaches the registry on this machine; nothing else is passed on.
PASSED_ON = (
    "PATH",
    "HOME",
    "NODE_EXTRA_CA_CERTS",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "npm_config_registry",
)
QUIET = ("--no-audit", "--no-fund", "--ignore-scripts")


def installed(pins: str, install: Callable[[Path], None]) -> Path:
    """The folder for these pins; `install` fills it on first use, by whichever process comes first."""
    cache = once.cache()
    home = cache / f"npm-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    with once.alone("npm"):
        if not home.exists():
            # Aside, then renamed: a half installed folder is never taken for a whole one.
            with tempfile.TemporaryDirectory(dir=cache, prefix="installing-") as aside:
                whole = Path(aside, "whole")
                whole.mkdir()
                install(whole)
                whole.rename(home)
    return home


def tool(name: str) -> str:
    """Where npm or node is."""
    found = shutil.which(name)
    if found is None:
        missing(name, "https://nodejs.org or apt-get install npm")
    return str(found)


def run(*command: str) -> None:
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
