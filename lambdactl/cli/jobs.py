"""`launch`, `runs`, `show`: starting deployed jobs and reading their runs back."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lambdactl.cli import output
from lambdactl.cli.options import (
    HERE,
    Env,
    Exit,
    Prefix,
    Root,
    Sandbox,
    only_with,
    open_project,
    runs_of,
    say_where,
)
from lambdactl.errors import UsageError

if TYPE_CHECKING:
    from lambdactl.runs import Run

# Characters; only so that what has no end is not read to it. An event has 6 MB at most, but it is made
# anew of the input's values: blanks and escapes cost nothing.
_INPUT_MAX = 64 << 20


class RunFormat(StrEnum):
    text = "text"
    json = "json"


Input = Annotated[str, typer.Option("--input", "-i", help="A JSON file, or - for standard input.")]
Job = Annotated[str, typer.Argument(help="A job's name, or its manifest.")]
AsJson = Annotated[RunFormat, typer.Option("--format", help="text, or json: for scripts.")]


def launch(
    job: Job,
    input: Input = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Until the run ended; exit code 0 if it succeeded.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="With --wait: for so many seconds.", show_default="the job's limit and five minutes"
        ),
    ] = None,
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    format: AsJson = RunFormat.text,
) -> int:
    """Start the deployed job. Ends with the run's id, or with --wait with its outcome."""
    from lambdactl.report import runs as report

    only_with("--wait", wait, timeout=timeout is not None)
    runs = open_project(root, env, sandbox, whole=False).runs
    run = runs.launch(job, read_input(input))
    if wait:
        output.note(f"launched {run.id}; waiting")
        try:
            run = runs.wait(run, patience=timeout)
        except KeyboardInterrupt:
            output.note(f"\n{_goes_on(run)}")
            raise
        if run.state in ("queued", "running"):
            output.note(_goes_on(run))
    if format is RunFormat.json:
        output.raw(report.json_([run]))
    else:
        output.result(report.one(run))
    return Exit.OK if run.ended_well or not wait else Exit.FAILED


def _goes_on(run: Run) -> str:
    return f"it goes on: `lambdactl logs {run.id} --follow`, `lambdactl cancel {run.id}`"


def runs(
    job: Annotated[str, typer.Argument(help="Only this job's runs.", show_default="all jobs")] = "",
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=1000, help="How many, newest first.")
    ] = 20,
    prefix: Prefix = "",
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    format: AsJson = RunFormat.text,
) -> int:
    """List the latest runs in AWS, newest first; `show` also finds those of run-local."""
    from lambdactl.report import runs as report

    project = open_project(root, env, sandbox, whole=False)
    found = runs_of(project, prefix, job).latest(job, count=count)
    if format is RunFormat.json:
        output.raw(report.json_(found))
    else:
        of_all = f"of the jobs in {project.settings.jobs}/; of others, `--prefix FOLDER/` lists them"
        output.result(report.table(found, f"under {prefix}" if prefix else f"of {job}" if job else of_all))
    return Exit.OK


def show(
    run: Annotated[str, typer.Argument(help="A run's id.")],
    download: Annotated[
        Path | None, typer.Option("--download", help="Fetch the run folder's files into this new folder.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write the run as a page to this file; into a folder, as `<run>.html`.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --html: write over a file that is no such page.")
    ] = False,
    prefix: Prefix = "",
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    format: AsJson = RunFormat.text,
) -> int:
    """Show one run: outcome, usage, output, and the files in its folder."""
    from lambdactl.report import runs as report

    only_with("--html", html is not None, force=force)
    if html == Path("-"):
        raise UsageError("--html writes a file", hint="--html FILE")
    project = open_project(root, env, sandbox, talks=False, whole=False)
    found = runs_of(project, prefix).find(run)
    if found.folder.startswith("s3://"):
        say_where(project)
    if format is RunFormat.json:
        output.raw(report.json_([found]))
    else:
        output.result(report.whole(found, project.runs.files(found)))
    if download is not None:
        count = sum(1 for _ in project.runs.download(found, download))
        left_out = len(project.runs.files(found)) - count
        more = f"; {left_out} left out, whose names are none for files" if left_out else ""
        output.note(f"{count} files in {download}{more}")
    if html is not None:
        from lambdactl.showing import write_page

        output.note(f"page: {write_page(project, found, html, force=force)}")
    return Exit.OK


def read_input(name: str) -> Any:
    """The input as JSON; None without one."""
    if not name:
        return None
    try:
        with nullcontext(sys.stdin) if name == "-" else Path(name).open(encoding="utf-8") as file:
            text = file.read(_INPUT_MAX + 1)
        if len(text) > _INPUT_MAX:
            raise UsageError(
                f"the input {name} has more than {_INPUT_MAX >> 20} MiB",
                hint="put it into S3 and pass its key",
            )
        return json.loads(text)
    except OSError as error:
        hint = "--input names a file; - is standard input, as in `echo '{}' | … --input -`"
        raise UsageError(f"cannot read the input {name}", why=error.strerror or "", hint=hint) from None
    except (ValueError, RecursionError) as error:
        what = "standard input" if name == "-" else f"the input {name}"
        raise UsageError(f"{what} is not JSON", why=str(error)) from None
