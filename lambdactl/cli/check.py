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


def validate(
    manifests: Annotated[
        list[Path] | None, typer.Argument(help="Only these manifests.", show_default="all")
    ] = None,
    root: Root = HERE,
    format: Annotated[
        ProblemFormat, typer.Option(help="text, json, or github: annotations for a workflow.")
    ] = ProblemFormat.text,
) -> int:
    """Check lambdactl.yaml and the manifests; report every problem as file:line:column."""
    from lambdactl import manifest
    from lambdactl.report import problems

    loaded = manifest.load(manifest.find_root(root), paths=manifests or ())
    found = list(loaded.problems)
    draw = {"text": problems.text, "json": problems.json_, "github": problems.github}[format.value]
    if found or format is ProblemFormat.json:
        output.raw(draw(found))
    if not found and format is ProblemFormat.text:
        count = len(loaded.jobs)
        output.result(f"{count} job{'s are' if count != 1 else ' is'} valid")
    return Exit.FAILED if found else Exit.OK
