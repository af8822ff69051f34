"""`logs`, `cancel`: what a run writes while it goes on, and its end before its time."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Env, Exit, Prefix, Root, Sandbox, open_project, runs_of, say_where

if TYPE_CHECKING:
    from lambdactl.project_runs import ProjectRuns
    from lambdactl.runs import Run


class Stream(StrEnum):
    events = "events"
    stdout = "stdout"
    stderr = "stderr"
    transcript = "transcript"
    mcp = "mcp"


RunId = Annotated[str, typer.Argument(help="A run's id.")]


def logs(
    run: RunId,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Until the run has ended, and before that until it begins."),
    ] = False,
    stream: Annotated[
        Stream | None,
        typer.Option(help="Which of them.", show_default="events, or a command's stdout"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The lines as the agent wrote them, for scripts.")
    ] = False,
    prefix: Prefix = "",
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
) -> int:
    """Show what a run wrote: of one that goes on what came until some seconds ago, of a lost one what was
    saved."""
    from lambdactl import logs as use_case
    from lambdactl.report import runs as report

    project = open_project(root, env, sandbox, talks=False, whole=False)
    runs = runs_of(project, prefix)
    if follow:
        found = use_case.begun(runs, run, lambda: output.note(f"waiting for {run} to begin"))
    else:
        found = runs.find(run)
    if found.folder.startswith("s3://"):
        say_where(project)
    count = _shown(runs, found, stream or "", follow, as_json)
    if not stream:
        _say_others(runs, found, nothing=not count)
    now = runs.again(found) if follow else found
    if now.state not in ("queued", "running"):
        output.note(report.one(now))
    return Exit.OK


def _shown(runs: ProjectRuns, run: Run, stream: str, follow: bool, as_json: bool) -> int:
    """How many lines there were."""
    from lambdactl import logs as use_case
    from lambdactl.report import escape, streams

    count, before = 0, ""
    for which, line in use_case.lines(runs, run, stream, follow=follow):
        count += 1
        if which != before and "/" in which:  # one of several
            output.line(f"--- {escape.line(which, 1000)}")
        before = which
        if as_json:
            output.raw(streams.raw(line))
        elif use_case.kind(which) == "events":
            for text in streams.drawn(line):
                output.result(text)
        else:
            output.result(streams.plain(line))
    return count


def _say_others(runs: ProjectRuns, run: Run, *, nothing: bool) -> None:
    """The streams there are besides `nothing`, or besides what was shown: of those only what went wrong."""
    from lambdactl import logs as use_case

    others = {use_case.kind(name) for name, size in runs.files(run) if size}
    if there := sorted(others & (set(Stream) if nothing else {Stream.stderr})):
        begin = "nothing yet there; but there is" if nothing else "there is more:"
        output.note(f"{begin} --stream {', '.join(there)}")


def cancel(
    run: RunId,
    job: Annotated[
        str, typer.Option(help="Its job: to cancel a run that was launched and has not begun yet.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until the run ended.")] = False,
    prefix: Prefix = "",
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
) -> int:
    """Ask a running run to end: within 15 seconds, as `cancelled`, with everything gathered."""
    from lambdactl.report import runs as report

    runs = runs_of(open_project(root, env, sandbox, whole=False), prefix, job)
    found = runs.cancel(run, job)
    if found.state == "queued":
        output.note("it has not begun: it will end as soon as it does, without having done anything")
    if wait:
        found = runs.wait(found)
    else:
        output.note(f"asked {found.id} to end")
    output.result(report.one(found))
    return Exit.OK
