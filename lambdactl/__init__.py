"""Coding agents as jobs on AWS Lambda, declared as YAML in git.

`Project` is the whole of it for programs (see lambdactl.project); `Plan` and `Run` are what it gives,
`LambdactlError` is what it raises.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambdactl.engine import Plan
    from lambdactl.errors import LambdactlError
    from lambdactl.project import Project
    from lambdactl.runs import Run

__all__ = ["LambdactlError", "Plan", "Project", "Run"]

_HOMES = {
    "LambdactlError": "lambdactl.errors",
    "Plan": "lambdactl.engine",
    "Project": "lambdactl.project",
    "Run": "lambdactl.runs",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `import lambdactl.errors` must not pay for YAML and JSON Schema.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(name)
