"""The files that `init` writes, as templates with @NAMES@. Pure but for reading the package's own data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).with_name("templates")
# GitHub's own ${{ }} rules out the usual braces.
_NAME = re.compile(r"@([A-Z][A-Z_]*)@")


def render(template: str, values: Mapping[str, str]) -> str:
    """The template with every @NAME@ put in; KeyError for one that has no value."""
    text = (FOLDER / template).read_text(encoding="utf-8")
    return _NAME.sub(lambda match: values[match[1]], text)
