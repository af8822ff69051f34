"""The real agent CLIs and an MCP server for tests, installed once with npm (tests/support/npm.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import npm

CLAUDE = "@anthropic-ai/claude-code@2.1.240"
CODEX = "@openai/codex@0.169.0"
EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"
PACKAGES = (CLAUDE, CODEX, EVERYTHING)


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
    """The folder with all executables."""
    return npm.installed(" ".join(PACKAGES), _install) / "node_modules" / ".bin"


def _install(whole: Path) -> None:
    npm.run(npm.tool("npm"), "install", *npm.QUIET, "--prefix", str(whole), *PACKAGES)
    # The one script that is needed: it puts the platform's binary in place.
    npm.run(npm.tool("node"), f"{whole}/node_modules/@anthropic-ai/claude-code/install.cjs")
