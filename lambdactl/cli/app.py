"""The typer application: every command registered in one place, in the order of `--help`."""

from __future__ import annotations

import typer

from lambdactl.cli import check, deploy, history, images, jobs, local, sandbox, secrets, setup, watching

app = typer.Typer(
    name="lambdactl",
    help="Coding agents as jobs on AWS Lambda, declared as YAML in git.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(rich_help_panel="Start")(setup.init)
app.command(rich_help_panel="Start")(setup.bootstrap)
app.command(rich_help_panel="Start")(setup.permissions)
app.command(rich_help_panel="Every day")(check.validate)
app.command(rich_help_panel="Every day")(deploy.plan)
app.command(rich_help_panel="Every day")(deploy.apply)
app.command(rich_help_panel="Every day")(deploy.drift)
app.command("run-local", rich_help_panel="Every day")(local.run_local)
app.command(rich_help_panel="Every day")(jobs.launch)
app.command(rich_help_panel="Every day")(jobs.runs)
app.command(rich_help_panel="Every day")(jobs.show)
app.command(rich_help_panel="Every day")(watching.logs)
app.command(rich_help_panel="Every day")(watching.cancel)
app.command(rich_help_panel="Images")(images.lock)
app.command(rich_help_panel="Images")(images.build)
app.command(rich_help_panel="Project")(setup.schema)
app.add_typer(secrets.app, name="secrets", rich_help_panel="Project")
app.add_typer(sandbox.app, name="sandbox", rich_help_panel="Project")
app.command(rich_help_panel="Project")(history.history)
app.command(rich_help_panel="Project")(history.unlock)
app.command(rich_help_panel="Project")(deploy.destroy)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Say the version and exit.")) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"lambdactl {installed('lambdactl')}")
        raise typer.Exit
