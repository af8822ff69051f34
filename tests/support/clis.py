"""The real agent CLIs and an MCP server for tests, installed once with npm outside the repository.

They live in the user's cache under a name made from their versions, so a new pin installs anew and
an old one is never changed under a running test.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.require import missing

CLAUDE = "@anthropic-ai/claude-code@2.1.240"
CODEX = "@openai/codex@0.169.0"
EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"
PACKAGES = (CLAUDE, CODEX, EVERYTHING)

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


@pytest.fixture(scope="session")
def claude_cli() -> Path:
    """The executable of the pinned Claude Code."""
    return _programs() / "claude"


@pytest.fixture(scope="session")
def codex_cli() -> Path:
    """The executable of the pinned Codex."""
    return _programs() / "codex"


@pytest.fixture(scope="session")
def everything_server() -> Path:
    """The executable of an MCP server with an echo and a sum tool; takes the argument `stdio`."""
    return _programs() / "mcp-server-everything"


def _programs() -> Path:
    """The folder with all executables, installed on first use by whichever process comes first."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lambdactl-tests"
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"npm-{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:12]}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _install(cache, home)
    return home / "node_modules" / ".bin"


def _install(cache: Path, home: Path) -> None:
    """Install aside and rename: a half installed folder is never taken for a whole one."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        missing("npm", "https://nodejs.org or apt-get install npm")
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with tempfile.TemporaryDirectory(dir=cache, prefix="installing-") as aside:
        whole = f"{aside}/whole"
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts")
        _run([str(npm), "install", *quiet, "--prefix", whole, *PACKAGES], env)
        # The one script that is needed: it puts the platform's binary in place.
        _run([str(node), f"{whole}/node_modules/@anthropic-ai/claude-code/install.cjs"], env)
        os.rename(whole, home)


def _run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
