"""The same runner on podman, as root: what is ours (as Lambda has it: tests/conformance)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdactl.container import Engine
from lambdactl.runners.bridge import BridgeServer
from lambdactl.runners.network import TRANSPORT
from tests.runners.conftest import Runner


@pytest.mark.parametrize("on", ["podman"], indirect=True)
def test_a_run_folder_and_a_kill(on: Engine, copies: Callable[[Engine], str], tmp_path: Path) -> None:
    runner = Runner(on, copies(on))
    (tmp_path / "in.json").write_text("{}")
    response = runner("output", then="hang", timeout=5, run_folder=tmp_path)
    assert b"Sandbox.Timedout" in response.payload
    assert (tmp_path / "out/result.json").read_text() == "{}"
    assert runner.left_behind() == []


@pytest.mark.parametrize("on", ["podman"], indirect=True)
def test_a_holder_carries_the_connections(
    on: Engine, copies: Callable[[Engine], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with podman's virtual machine or a remote one; a large response, and a kill."""
    monkeypatch.setenv(TRANSPORT, "sidecar")
    monkeypatch.setattr(BridgeServer, "server_bind", lambda self: pytest.fail("it listens on this machine"))
    runner = Runner(on, copies(on))
    assert len(json.loads(runner("large", size=6_291_000).payload)) == 6_291_000
    assert b"Sandbox.Timedout" in runner("hang", timeout=1).payload
    assert runner.left_behind() == []
