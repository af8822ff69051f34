"""`run-local`: the same container as in Lambda, on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.jobs import Input, Job, read_input
from lambdactl.cli.options import HERE, Environment, Exit, Root, Sandbox, open_project
from lambdactl.cli.signals import stopping
from lambdactl.credentials import Creds

STOPPING = "stopping the job and gathering what it left; once more to kill it"


def run_local(
    job: Job,
    input: Input = "",
    creds: Annotated[
        Creds,
        typer.Option(
            help="AWS credentials of the run: the job's role, your own, or none (nothing goes to S3)."
        ),
    ] = Creds.none,
    env: Annotated[
        list[str] | None,
        typer.Option(help="A declared secret, taken from the variable of this name. Repeatable."),
    ] = None,
    secrets_file: Annotated[
        Path | None, typer.Option(help="Declared secrets as NAME=VALUE lines; mode 600.")
    ] = None,
    scripted_model: Annotated[
        bool,
        typer.Option("--scripted-model", help="Talk to a scripted model on this machine: offline and free."),
    ] = False,
    engine: Annotated[
        str, typer.Option(help="docker, podman, a path to either, or process (no container).")
    ] = "",
    unsandboxed: Annotated[
        bool,
        typer.Option("--unsandboxed", help="With --engine process: let a real model act on this machine."),
    ] = False,
    leg: Annotated[
        str, typer.Option(help="How long one leg takes, as in 60s: to try out a run of several.")
    ] = "",
    root: Root = HERE,
    environment: Environment = "",
    sandbox: Sandbox = None,
) -> int:
    """Run a job here as Lambda would: same image, read-only root, memory and time limits."""
    from lambdactl import run_local as use_case
    from lambdactl import secret_values
    from lambdactl.report import runs as report

    project = open_project(root, environment, sandbox, talks=creds is not Creds.none)
    found = project.job(job)
    values = secret_values.from_file(secrets_file) if secrets_file else {}
    values |= secret_values.from_environment(env or (), found, os.environ)
    options = use_case.Options(
        input=read_input(input),
        creds=creds,
        engine=engine,
        scripted_model=scripted_model,
        unsandboxed=unsandboxed,
        secrets=values,
        leg=use_case.leg(found, leg),
    )
    with stopping(STOPPING) as stop:
        ended = use_case.run_local(project, found, options, on_line=_progress, note=output.line, stop=stop)
    output.result(report.one(ended.run))
    return Exit.OK if ended.run.ended_well else Exit.FAILED


def _progress(line: str) -> None:
    from lambdactl.report import runs as report

    text = report.progress(line)
    try:
        if text is not None:
            output.note(text)
    except OSError:
        # A closed terminal, `| head`: the run goes on without an audience, and its outcome still counts.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
