"""`run-local`: the same container as in Lambda, on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.jobs import Input, Job, read_input
from lambdactl.cli.options import HERE, Environment, Exit, Root, Sandbox, only_with, open_project, say_where
from lambdactl.cli.signals import stopping
from lambdactl.credentials import Creds
from lambdactl.errors import BuildError, UsageError

if TYPE_CHECKING:
    from lambdactl.manifest import job as manifest
    from lambdactl.project import Project
    from lambdactl.run_local import Options

    Wanted = tuple[Project, manifest.Job, Options]

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
    repeat: Annotated[
        int, typer.Option(min=1, max=1000, help="As many runs in one warm sandbox, frozen in between.")
    ] = 1,
    asynchronous: Annotated[
        bool, typer.Option("--async", help="As an asynchronous event: retried after a function error.")
    ] = False,
    shell: Annotated[
        bool, typer.Option("--shell", help="A shell in the sandbox, in place of the agent.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run again when the manifest changes, or a file it includes.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="What this machine cannot do as Lambda does is an error.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The run and Lambda's answer as one line of JSON each.")
    ] = False,
    root: Root = HERE,
    environment: Environment = "",
    sandbox: Sandbox = None,
) -> int:
    """Run a job here as Lambda would: same image, read-only root, memory and time limits."""
    _check_together(
        {"--shell": shell, "--repeat": repeat > 1, "--async": asynchronous, "--watch": watch},
        {
            "--json": as_json,
            "--leg": bool(leg),
            "--strict": strict,
            "--engine process": engine == "process",
            "--input -": input == "-",
            "--creds own": creds is Creds.own,
        },
    )
    only_with("--engine process", engine == "process", unsandboxed=unsandboxed)
    from lambdactl import run_local as use_case

    def wanted() -> Wanted:
        """Read anew at each call."""
        project = open_project(root, environment, sandbox, talks=False, whole=False)
        found = project.job(job)
        return project, found, options(found)

    def options(found: manifest.Job) -> Options:
        from lambdactl import secret_values

        values = secret_values.from_file(secrets_file) if secrets_file else {}
        values |= secret_values.from_environment(env or (), found, os.environ)
        if repeat > 1 and found.legs > 1:
            raise UsageError(f"{found.name} has legs: --repeat is for jobs of one", hint="leave --repeat out")
        return use_case.Options(
            input=read_input(input),
            creds=creds,
            engine=engine,
            scripted_model=scripted_model,
            unsandboxed=unsandboxed,
            leg=use_case.leg(found, leg),
            repeat=repeat,
            asynchronous=asynchronous,
            strict=strict,
            secrets=values,
        )

    def say_where_(wanted: Wanted) -> Wanted:
        if creds is not Creds.none:
            say_where(wanted[0])
        return wanted

    if shell:
        return use_case.shell(*say_where_(wanted()), on_line=_progress, note=output.line)
    with stopping(STOPPING) as stop:
        if not watch:
            return _run(*say_where_(wanted()), stop, as_json=as_json)
        from lambdactl.cli.rerun import Rerun

        first = say_where_(wanted())  # what is wrong with the command line itself, is wrong for good
        outside = [Path(each) for each in (input, str(secrets_file or "")) if each not in ("", "-")]
        rerun = Rerun(first[0].root, lambda: _mark(*wanted()), outside, stop)
        return rerun.forever(lambda each: _run(*wanted(), each, as_json=as_json))


def _check_together(modes: dict[str, bool], others: dict[str, bool]) -> None:
    """UsageError for what cannot go with each other."""
    given = [name for name, there in (modes | others).items() if there]
    refused = {
        "--shell": {"--repeat", "--async", "--watch", "--json", "--leg", "--engine process"},
        "--repeat": {"--async", "--leg", "--engine process"},
        "--async": {"--engine process"},
        "--strict": {"--engine process"},
        "--creds own": {"--engine process"},
        "--watch": {"--input -"},
    }
    for name in given:
        if both := sorted(refused.get(name, set()) & set(given)):
            raise UsageError(f"{name} does not go with {', '.join(both)}")


def _run(
    project: Project, job: manifest.Job, options: Options, stop: threading.Event, *, as_json: bool
) -> int:
    """Each run is shown as it ends."""
    from lambdactl import run_local as use_case
    from lambdactl.report import runs as report

    good = True
    playing = use_case.run_local(project, job, options, on_line=_progress, note=output.line, stop=stop)
    with closing(playing) as ended:
        try:
            for each in ended:
                if as_json:
                    output.raw(report.local_json(each.run, each.response, each.attempts))
                    sys.stdout.flush()
                else:
                    output.result(report.one(each.run))
                good = good and each.run.ended_well
        except BuildError:
            if stop.is_set():  # a terminal's ^C ends the builder, too
                return Exit.INTERRUPTED
            raise
    return Exit.OK if good else Exit.FAILED


def _mark(project: Project, job: manifest.Job, options: Options) -> str:
    """Of all that a run depends on."""
    site = project.offline_site
    document = project.definition(job, site)
    rest = [document, repr(replace(options, input=None)), options.input, sorted(options.secrets.items())]
    return hashlib.sha256(json.dumps([*rest, repr(job)], default=str).encode()).hexdigest()


def _progress(line: str) -> None:
    from lambdactl.report import runs as report

    text = report.progress(line)
    try:
        if text is not None:
            output.note(text)
    except OSError:
        # A closed terminal, `| head`: the run goes on without an audience, and its outcome still counts.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
