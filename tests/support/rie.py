"""AWS's Runtime Interface Emulator, out of the wheel of aws-sam-cli.

Not a dependency of ours: aws-sam-cli pins boto3 to one version, older than lambdactl needs, so no
environment can hold both. The wheel is fetched by its hash, without what it depends on, into the user's
cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support import once

VERSION = "1.170.0"
SHA256 = "24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


@pytest.fixture(scope="session")
def rie() -> Path:
    """The executable for this machine."""
    home = once.cache() / f"aws-sam-cli-{VERSION}"
    with once.alone("aws-sam-cli"):
        if not home.exists():
            # Aside, then renamed: a half installed folder is never taken for a whole one.
            with tempfile.TemporaryDirectory(dir=once.cache(), prefix="installing-") as aside:
                _install(Path(aside))
                (Path(aside) / "whole").rename(home)
    return home / f"samcli/local/rapid/aws-lambda-rie-{ARCHITECTURES[os.uname().machine]}"


def _install(folder: Path) -> None:
    pins = folder / "pins.txt"
    pins.write_text(f"aws-sam-cli=={VERSION} --hash=sha256:{SHA256}\n")
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"]
    command += ["--require-hashes", "--requirement", str(pins), "--target", str(folder / "whole")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
