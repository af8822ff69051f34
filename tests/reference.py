"""Writes docs/reference.md from the commands' own help: `python -m tests.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from lambdactl.cli.app import app

PATH = Path(__file__).parents[1] / "docs" / "reference.md"
HEAD = """\
# Commands

Generated from `--help` by `python -m tests.reference`; a test keeps it true.

Exit codes: 0 done, also nothing to do · 1 failed, or a manifest is bad · 2 `plan --detailed-exitcode` or `drift` found changes, `plan --expect` another plan · 64 wrong usage · 130 interrupted. `run-local` and `launch --wait`: 0 succeeded, 1 any other outcome.

AWS is found as every AWS tool finds it: the standard environment variables (`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …) and configuration files, SSO included. With `sandbox: true` in lambdactl.yaml, or `--sandbox`, the embedded AWS is used and nothing else. `LAMBDACTL_BASE_IMAGE`, `LAMBDACTL_CA_BUNDLE` and `LAMBDACTL_BUILD_NETWORK` are this machine's settings for builds ([images](images.md)).
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_commands("lambdactl", typer.main.get_command(app))])


def _commands(name: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner:
        for each, sub in inner.items():
            yield from _commands(f"{name} {each}", sub)
        return
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([name, *(f"<{each.name}>" if each.required else f"[{each.name}]" for each in arguments)])
    yield f"## {usage}\n\n{command.help}\n"
    rows = [_row(each) for each in command.params if each.name != "help"]
    if rows:
        yield "| | |\n|---|---|\n" + "\n".join(rows) + "\n"


def _row(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    shown = (
        ", ".join(f"`{name}`" for name in names) if parameter.param_type_name == "option" else f"`{names[0]}`"
    )
    variable = getattr(parameter, "envvar", None)
    also = f" Also by the environment variable `{variable}`." if variable else ""
    return f"| {shown} | {parameter.help or ''}{also} |"


if __name__ == "__main__":
    PATH.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{PATH}\n")
