"""Options that several commands share, spelled once."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambdactl.cli import output
from lambdactl.errors import UsageError

if TYPE_CHECKING:
    from lambdactl.project import Project
    from lambdactl.project_runs import ProjectRuns


class Format(StrEnum):
    text = "text"
    json = "json"
    markdown = "markdown"


class Exit:
    """Exit codes (docs/reference.md)."""

    OK = 0
    FAILED = 1
    CHANGES = 2
    USAGE = 64
    INTERRUPTED = 130


Root = Annotated[
    Path, typer.Option("--root", "-C", help="The project's folder, or one inside it.", show_default="here")
]
Sandbox = Annotated[
    bool | None,
    typer.Option(
        "--sandbox/--aws", help="Talk to the embedded AWS, or to AWS, whatever lambdactl.yaml says."
    ),
]
_ENV_HELP = "The environment, of those in lambdactl.yaml."
_ENV_DEFAULT = "its defaultEnvironment, or the only one"
Env = Annotated[
    str,
    typer.Option("--env", "--environment", envvar="LAMBDACTL_ENV", help=_ENV_HELP, show_default=_ENV_DEFAULT),
]
# For run-local, whose --env names a secret's variable.
Environment = Annotated[
    str, typer.Option("--environment", envvar="LAMBDACTL_ENV", help=_ENV_HELP, show_default=_ENV_DEFAULT)
]
Engine = Annotated[
    str, typer.Option(help="docker, podman, or a path to either.", show_default="the first that can build")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", min=1, metavar="SECONDS", help="Give up after this long.", show_default="never"
    ),
]
Prefix = Annotated[
    str,
    typer.Option(
        metavar="FOLDER/", help="Runs under this prefix: of a job that left git, or is broken there."
    ),
]
HERE = Path()


def only_with(other: str, there: bool, **given: bool) -> None:
    """UsageError for options that say nothing unless `other` is there: none is passed over in silence."""
    lost = [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
    if lost and not there:
        raise UsageError(f"{' and '.join(lost)} would say nothing without {other}", hint=f"pass {other} too")


def open_project(
    root: Path,
    env: str,
    sandbox: bool | None,
    *,
    talks: bool = True,
    time_limit: float | None = None,
    plans: bool = False,
    whole: bool = True,
) -> Project:
    """The project, and, where it `talks` to one, plain words on standard error about which AWS.

    `plans`: a plan comes next. Where it need not be `whole`, manifests with problems are left out, and named.
    """
    from lambdactl.project import Project

    project = Project.open(
        root, environment=env, sandbox=sandbox, time_limit=time_limit, plans=plans, whole=whole
    )
    if names := sorted(project.jobs.left_out):
        _say_left_out(", ".join(names))
    if talks:
        say_where(project)
    return project


@cache
def _say_left_out(names: str) -> None:
    """Once, however often a project is opened."""
    output.note(f"left out of the jobs, `lambdactl validate` says why: {names}", style="yellow")


def runs_of(project: Project, prefix: str, job: str = "") -> ProjectRuns:
    """Those of its jobs, or those under this prefix."""
    if job and prefix:
        raise UsageError("a job's prefix is in its manifest", hint=f"leave out --prefix, or {job}")
    return project.runs.below(prefix) if prefix else project.runs


def say_where(project: Project) -> None:
    """Nobody is to take the embedded AWS for AWS, nor one environment for another."""
    if project.settings.environments:
        settings = project.settings
        place = [settings.environment]
        if not project.sandbox:  # which has an account of its own
            place += [settings.account, settings.region]
        output.note(f"environment: {', '.join(filter(None, place))}", style="magenta")
    if project.sandbox:
        from lambdactl.sandbox import status

        found = status(project.root)
        where = f"the embedded AWS at {found.url}" if found.up else "the embedded AWS, which is not up"
        output.note(f"sandbox: {where}; this is not AWS", style="magenta")


def confirmed(question: str, yes: bool) -> None:
    """Ask on a terminal; without one, never ask: refuse."""
    import sys

    from lambdactl.errors import Refused

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("there is no terminal to ask on", hint="read what is above, then pass --yes")
    if not typer.confirm(question, err=True):
        raise Refused("not confirmed; nothing was changed")
