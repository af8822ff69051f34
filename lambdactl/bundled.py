"""Files that travel with the package: the agent's source and the JSON Schemas. Reads only.

In a wheel they lie in `lambdactl/_data`; in the source tree `agent/` and `schemas/` are top level.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent


def agent_source() -> Path:
    """The folder of the `agent` package that is copied into every image."""
    return _folder("agent")


@cache
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema `schemas/<name>.schema.json`. The same object each time: do not change it."""
    document = json.loads(schema_text(name))
    if not isinstance(document, dict):
        raise TypeError(f"{name}.schema.json is not an object")
    return document


def schema_text(name: str) -> str:
    """The file itself, as it is given to editors."""
    return (_folder("schemas") / f"{name}.schema.json").read_text("utf-8")


def _folder(name: str) -> Path:
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name
