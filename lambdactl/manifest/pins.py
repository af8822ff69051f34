"""The agent CLIs' versions: which are bundled by default, and which are too old. Pure.

Raise a pin only together with a green run of the end-to-end tests, which use the real CLIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TESTED: Mapping[str, str] = MappingProxyType({"claude-code": "2.1.240", "codex": "0.169.0"})

# Claude Code before 2.1.236 reports a run that was stopped by SIGTERM as a success and may start
# the first turn before its MCP servers are up. Codex is only tried from 0.169.0 on.
OLDEST: Mapping[str, str] = MappingProxyType({"claude-code": "2.1.236", "codex": "0.169.0"})


def numbers(version: str) -> tuple[int, ...]:
    """ "2.1.240" -> (2, 1, 240). A pre-release counts as its release."""
    return tuple(int(part) for part in version.split("-", 1)[0].split("."))


def too_old(agent_type: str, version: str) -> bool:
    return numbers(version) < numbers(OLDEST[agent_type])
