"""Coding agents as jobs on AWS Lambda, declared as YAML in git.

`Project` is the whole of it for programs; see lambdactl.project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambdactl.project import Project

__all__ = ["Project"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `import lambdactl.errors` must not pay for YAML and JSON Schema.
    if name == "Project":
        from lambdactl.project import Project

        return Project
    raise AttributeError(name)
