"""`run-local` on podman: built, run and swept by it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from lambdactl.container import Engine
from tests.e2e.left import folder, leftovers, result
from tests.runners.conftest import on
from tests.support.program import Program

__all__ = ["on"]


@pytest.mark.parametrize("on", ["podman"], indirect=True)
def test_a_command_and_nothing_is_left_behind(project: Program, on: Engine) -> None:
    given = {name: os.environ[name] for name in ("CONTAINERS_CONF",) if name in os.environ}
    given["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"  # root's: podman's networks need iptables
    podman = replace(project, machine={**project.machine, **given})
    done = podman("run-local", "hello", "--engine", on.executable)
    assert result(done.stdout)["outcome"] == "succeeded"
    assert "Hello from" in (folder(done.stdout) / "stdout" / "000001.log").read_text()
    assert "REPORT RequestId:" in done.stderr
    assert leftovers(on, podman) == []
