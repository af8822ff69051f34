"""Real tools for tests: what is missing skips a test at home and fails it in CI."""

from __future__ import annotations

import os

import pytest


def missing(tool: str, install: str) -> None:
    """Skip, or fail where LAMBDACTL_REQUIRE_TOOLS=1 (as .ci/run and `make test` set it)."""
    message = f"{tool} is needed by this test: {install}"
    if os.environ.get("LAMBDACTL_REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)
