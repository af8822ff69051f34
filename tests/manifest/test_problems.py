"""Problems drawn for each medium; a hostile file name or value stays text."""

from __future__ import annotations

import json

from lambdactl.errors import Problem
from lambdactl.report.problems import github, json_, text

_HOSTILE = Problem("jobs/a,b:c.yaml", 3, 7, "50% of\r\n::error::it\x1b[31m", "mend\nit")


def test_text() -> None:
    assert text([_HOSTILE]) == r"jobs/a,b:c.yaml:3:7: 50% of\r ::error::it\x1b[31m; mend it"


def test_json() -> None:
    (problem,) = json.loads(json_([_HOSTILE]))["problems"]
    assert problem == {
        "file": "jobs/a,b:c.yaml",
        "line": 3,
        "column": 7,
        "what": _HOSTILE.what,
        "hint": "mend\nit",
    }


def test_github() -> None:
    (line,) = github([_HOSTILE]).split("\n")
    assert line.startswith("::error file=jobs/a%2Cb%3Ac.yaml,line=3,col=7::50%25 of")
    assert "\r" not in line
    assert "\x1b" not in line
    assert (
        github([Problem("lambdactl.yaml", 0, 0, "unreadable")]) == "::error file=lambdactl.yaml::unreadable"
    )
