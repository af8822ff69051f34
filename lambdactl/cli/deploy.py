"""`plan`, `apply`, `destroy`: what would change, and making it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Engine, Exit, Format, Root, Sandbox, Yes, confirmed, open_project
from lambdactl.cli.signals import stopping

if TYPE_CHECKING:
    from lambdactl.engine import Plan
    from lambdactl.project import Project

STOPPING = "stopping: what is under way is finished, nothing more is started"
Prune = Annotated[bool, typer.Option("--prune", help="Also remove jobs that are no longer in git.")]


def plan(
    root: Root = HERE,
    sandbox: Sandbox = None,
    prune: Prune = False,
    format: Annotated[Format, typer.Option(help="text, json, or markdown for a pull request.")] = Format.text,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask AWS nothing: the plan for an empty account.")
    ] = False,
) -> int:
    """Show what apply would change. Changes nothing, builds nothing."""
    from lambdactl.scope import Scope

    project = open_project(root, sandbox, talks=not offline)
    made = project.plan_offline() if offline else project.plan(Scope(prune=prune))
    _show(made, format)
    if made.refused:
        return Exit.FAILED
    return Exit.CHANGES if made.steps and detailed_exitcode else Exit.OK


def apply(
    root: Root = HERE,
    sandbox: Sandbox = None,
    prune: Prune = False,
    yes: Yes = False,
    engine: Engine = "",
) -> int:
    """Make AWS as the manifests say. Shows the plan and asks first."""
    from lambdactl.scope import Scope

    project = open_project(root, sandbox)
    made = project.plan(Scope(prune=prune))
    return _carry_out(project, made, engine, f"Apply {len(made.steps)} steps?", yes)


def destroy(
    root: Root = HERE,
    sandbox: Sandbox = None,
    data: Annotated[
        bool, typer.Option("--data", help="Also the log groups, images and the repository.")
    ] = False,
    yes: Yes = False,
) -> int:
    """Remove all of the project's resources. The bucket and the runs in it always stay."""
    project = open_project(root, sandbox)
    made = project.plan_destroy(data=data)
    return _carry_out(project, made, "", f"Remove {len(made.steps)} resources for good?", yes)


def _carry_out(project: Project, made: Plan, engine: str, question: str, yes: bool) -> int:
    from lambdactl import reconcile
    from lambdactl.engine import Failed, Skipped
    from lambdactl.report import events as report

    _show(made, Format.text)
    reconcile.guard(made)
    if not made.steps:
        return Exit.OK
    confirmed(question, yes)
    seen = []
    with stopping(STOPPING) as stop:
        for event in project.apply(made, engine=engine, on_line=output.line, stop=stop.is_set):
            output.note(report.event(event))
            seen.append(event)
    output.note(report.summary(seen))
    return Exit.FAILED if any(isinstance(each, Failed | Skipped) for each in seen) else Exit.OK


def _show(made: Plan, format: Format) -> None:
    from lambdactl.report import plan as report

    if format is Format.text:
        output.result(report.text(made))
    else:
        output.raw(report.json_(made) if format is Format.json else report.comment(made))
