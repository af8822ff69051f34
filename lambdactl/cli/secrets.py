"""`secrets set` and `secrets list`. A value is read from standard input: an argument shows in `ps`."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Env, Exit, Root, Sandbox, open_project
from lambdactl.errors import UsageError

app = typer.Typer(help="The parameters that jobs declare as secrets.", no_args_is_help=True)


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="An SSM parameter, or a secret's name in a manifest.")],
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
) -> int:
    """Store a value, read from standard input, as a SecureString."""
    from lambdactl import secrets

    project = open_project(root, env, sandbox, whole=False)
    if project.jobs.left_out and not name.startswith("/"):
        raise UsageError(
            f"{name} may be another parameter's name in a job that is left out",
            hint="name the parameter itself, as in /agents/token, or mend the manifests",
        )
    parameter = secrets.resolve(name, project.jobs.values())
    aws = project.aws  # refused, if at all, before a value is typed
    if sys.stdin.isatty():
        value = getpass.getpass(f"value of {parameter}: ")
    else:
        # A shell's `echo` ends its line; a secret that really ends in one is not known to exist.
        value = _text(sys.stdin.buffer.read()).removesuffix("\n").removesuffix("\r")
    secrets.put(aws, parameter, value)
    if parameter not in secrets.declared(project.jobs.values()) and not project.jobs.left_out:
        output.note("note: no job declares it", style="yellow")
    if note := secrets.masking(value):
        output.note(f"note: {note}", style="yellow")
    output.result(f"{parameter} is set")
    return Exit.OK


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UsageError("the value is not UTF-8 text", hint="encode it, as in base64") from None


@app.command("list")
def list_(root: Root = HERE, env: Env = "", sandbox: Sandbox = None) -> int:
    """Names, versions, ages, which jobs need them, and what is missing. Never a value."""
    from lambdactl import secrets
    from lambdactl.report import tables

    project = open_project(root, env, sandbox, whole=False)
    found = secrets.parameters(project.aws, project.jobs.values())
    output.result(tables.parameters(found))
    whole = not project.jobs.left_out  # whose parameters are not known
    return Exit.OK if whole and all(each.exists for each in found) else Exit.FAILED
