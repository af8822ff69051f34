"""`history`, `unlock`: what was applied before, and the lock that a dead apply left."""

from __future__ import annotations

from typing import Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.jobs import AsJson, RunFormat
from lambdactl.cli.options import HERE, Env, Exit, Root, Sandbox, Yes, confirmed, open_project
from lambdactl.errors import UsageError

COUNT = 20


def history(
    id: Annotated[
        str, typer.Argument(help="Show this apply with all of its steps.", show_default=False)
    ] = "",
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, max=1000, help="How many, newest first.", show_default="20"),
    ] = None,
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    format: AsJson = RunFormat.text,
) -> int:
    """List the latest applies: who, which commit, and how they ended.

    An apply that finds nothing to do leaves no record.
    """
    from lambdactl.report import history as report

    if id and count is not None:
        raise UsageError("--count is for the list of applies", hint=f"leave out --count, or {id}")
    found = open_project(root, env, sandbox, whole=False).history(id, count=COUNT if count is None else count)
    if format is RunFormat.json:
        output.raw(report.json_(found))
    else:
        output.result(report.whole(found[0]) if id else report.table(found))
    return Exit.OK


def unlock(root: Root = HERE, env: Env = "", sandbox: Sandbox = None, yes: Yes = False) -> int:
    """Remove the lock of an apply that is dead. Shows whose it is and asks first."""
    from lambdactl.report.escape import line

    project = open_project(root, env, sandbox, whole=False)
    holder = project.lock_holder()
    if holder is None:
        output.result("no apply holds the lock")
        return Exit.OK
    output.note(f"held by {line(str(holder), 500)}")
    if not holder.expired:
        output.note("it was renewed within the last minute, so that apply may well be alive", style="yellow")
    confirmed("Remove this lock? An apply that still runs starts no further step then.", yes)
    project.unlock(holder.nonce)
    output.result("unlocked")
    return Exit.OK
