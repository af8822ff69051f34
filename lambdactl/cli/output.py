"""The two streams of the CLI. Results go to standard output; progress, notes and errors to standard error."""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import suppress
from functools import cache

from rich.console import Console
from rich.text import Text

from lambdactl.errors import LambdactlError, ManifestError
from lambdactl.report.escape import terminal


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # ours to answer (cli.run); rich would exit with 1 here


@cache
def _console(*, error: bool) -> Console:
    # No markup, no highlighting: what is printed is often not ours.
    return _Console(stderr=error, markup=False, highlight=False, soft_wrap=True, emoji=False)


def result(text: Text | str) -> None:
    """What the command was asked for."""
    _console(error=False).print(text, end="" if str(text).endswith("\n") else "\n")


def raw(text: str) -> None:
    """A document for another program: byte for byte, in UTF-8 whatever the terminal's is."""
    sys.stdout.flush()
    sys.stdout.buffer.write((text if text.endswith("\n") else text + "\n").encode(errors="backslashreplace"))


def note(text: Text | str, style: str = "") -> None:
    _console(error=True).print(text, style=style)


def line(text: str) -> None:
    """A line of progress from something else (a build, a run)."""
    note(Text(terminal(text), style="dim"))


# In a GitHub workflow any line that begins with `::` would be a command to the runner. What we print
# is often not ours, so commands are off while we do; nobody knows the word that turns them on again.
_RESUME = secrets.token_hex(16)


def stop_commands() -> None:
    print(f"::stop-commands::{_RESUME}", file=sys.stderr, flush=True)  # noqa: T201


def resume_commands() -> None:
    # The runner reads the two streams apart, and takes standard error first: it must have had the rest.
    with suppress(OSError):
        sys.stdout.flush()
    time.sleep(0.3)
    print(f"::{_RESUME}::", file=sys.stderr, flush=True)  # noqa: T201


def error(problem: LambdactlError) -> None:
    """The one place where an error is drawn."""
    if isinstance(problem, ManifestError):
        from lambdactl.report import problems

        note(problems.text(problem.problems))
        count = len(problem.problems)
        note(f"{count} problem{'s' if count != 1 else ''}; nothing was changed", style="bold red")
        return
    text = Text("error: ", style="bold red")
    where = f"{problem.where}: " if problem.where else ""
    text.append(terminal(where + problem.what), style="not bold default")
    if problem.why:
        text.append(f"\n  why:  {terminal(problem.why)}", style="not bold default")
    if problem.hint:
        text.append(f"\n  hint: {terminal(problem.hint)}", style="not bold default")
    note(text)
