"""Problems of manifests as text, JSON or GitHub annotations. Pure: returns texts, prints nothing.

A manifest of a pull request may hold anything, so every text passes the medium's escape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from lambdactl.errors import Problem
from lambdactl.report.escape import github as escaped
from lambdactl.report.escape import terminal


def text(problems: Iterable[Problem]) -> str:
    """One line each, as compilers write them: file:line:column: what; how to mend."""
    return "\n".join(" ".join(terminal(str(problem)).splitlines()) for problem in problems)


def json_(problems: Iterable[Problem]) -> str:
    """{"version": 1, "problems": [{file, line, column, what, hint}]}; ASCII only."""
    return json.dumps({"version": 1, "problems": [asdict(problem) for problem in problems]}, indent=2)


def github(problems: Iterable[Problem]) -> str:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""
    return "\n".join(map(_annotation, problems))


def _annotation(problem: Problem) -> str:
    where = {"file": problem.file, "line": problem.line, "col": problem.column}
    properties = ",".join(
        f"{key}={escaped(str(value), property_=True)}" for key, value in where.items() if value
    )
    message = f"{problem.what}; {problem.hint}" if problem.hint else problem.what
    return f"::error {properties}::{escaped(message)}"
