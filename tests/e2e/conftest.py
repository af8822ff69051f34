"""This repository's own example jobs, in a project of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.engine import CA_BUNDLE
from tests.support.program import Program

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def machine(base_image: str) -> dict[str, str]:
    """What this machine, not the project, says about builds."""
    return {
        "LAMBDACTL_BASE_IMAGE": base_image,
        "LAMBDACTL_CA_BUNDLE": str(CA_BUNDLE),
        "LAMBDACTL_BUILD_NETWORK": "host",
    }


@pytest.fixture
def project(tmp_path: Path, machine: dict[str, str]) -> Program:
    """This repository's own example jobs, in a folder of their own."""
    root = tmp_path / "project"
    shutil.copytree(REPOSITORY / "jobs", root / "jobs")
    for name in ("lambdactl.yaml", "lambdactl.lock"):
        shutil.copy(REPOSITORY / name, root)
    return Program(root, machine)
