"""Byte-code for everything that the measured processes import, as an installed lambdactl has it."""

from __future__ import annotations

import compileall
import sysconfig
from pathlib import Path


def compiled() -> None:
    """Without it each start would pay for compiling botocore anew: 0.2 s and more."""
    for folder in (sysconfig.get_path("purelib"), str(Path(__file__).parents[1] / "lambdactl")):
        compileall.compile_dir(folder, quiet=2)
