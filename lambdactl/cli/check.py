"""`validate`: every problem of the manifests, at once. Never imports boto3."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Exit, Root


class ProblemFormat(StrEnum):
    text = "text"
    json = "json"
    github = "github"


Env = Annotated[
    str,
    typer.Option(
        "--env",
        "--environment",
        envvar="LAMBDACTL_ENV",
        help="Only in this environment.",
        show_default="all of them",
    ),
]


def validate(
    manifests: Annotated[
        list[Path] | None, typer.Argument(help="Only these manifests, or jobs.", show_default="all")
    ] = None,
    root: Root = HERE,
    env: Env = "",
    format: Annotated[
        ProblemFormat, typer.Option(help="text, json, or github: annotations for a workflow.")
    ] = ProblemFormat.text,
) -> int:
    """Check lambdactl.yaml and the manifests; report every problem as file:line:column.

    In every environment, unless one is named.
    """
    from lambdactl import manifest
    from lambdactl.project import Project
    from lambdactl.report import problems

    examined = Project.examine(root, manifests or (), environment=env)
    found = list(manifest.problems(examined))
    draw = {"text": problems.text, "json": problems.json_, "github": problems.github}[format.value]
    if found or format is ProblemFormat.json:
        output.raw(draw(found))
    if not found and format is ProblemFormat.text:
        count, names = len(examined[0].jobs), [each.project.environment for each in examined]
        where = f" in {', '.join(names)}" if examined[0].project.environments else ""
        output.result(f"{count} job{'s are' if count != 1 else ' is'} valid{where}")
    return Exit.FAILED if found else Exit.OK
