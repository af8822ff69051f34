"""The command line: one short function for each command. Flags in, exit code out.

What a command needs is imported inside it, so that `--help`, `validate` and shell completion are quick.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from lambdactl.errors import LambdactlError


def main() -> NoReturn:
    """The program `lambdactl`."""
    # Hardly any garbage here goes in circles: looking for it as often as Python does by itself would take
    # a fifth of a plan's time.
    gc.set_threshold(1_000_000)
    # AWS's answers are read in threads beside work that computes: they wait for it 1 ms each time, not 5.
    sys.setswitchinterval(0.001)
    _open_streams()
    _leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Exit codes: 0 done, 1 failed, 2 changes found, 64 wrong usage, 130 interrupted."""
    from typer.exceptions import Abort, TyperException

    from lambdactl.cli import output
    from lambdactl.cli.app import app
    from lambdactl.cli.options import Exit
    from lambdactl.cli.signals import ending

    for number in ending():
        signal.signal(number, _interrupt)
    annotates = arguments[:1] == ["validate"] and any(each.endswith("github") for each in arguments)
    quoted = os.environ.get("GITHUB_ACTIONS") == "true" and not annotates
    try:
        if quoted:
            output.stop_commands()
        code = app(args=arguments, prog_name="lambdactl", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else Exit.OK
    except TyperException as problem:
        problem.show()  # type: ignore[attr-defined]  # click's own errors, which all can
        return Exit.USAGE
    except LambdactlError as problem:
        output.error(problem)
        return problem.exit_code
    except (Abort, KeyboardInterrupt):
        with suppress(OSError):  # the terminal may be what has gone
            print("interrupted", file=sys.stderr)  # noqa: T201 - rich may be half-way through a line
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader left (`lambdactl plan | head`): nothing more to say, and not to the closed pipe.
        _drop_output()
        return 128 + signal.SIGPIPE
    except OSError as problem:  # the machine refuses: a full disk, a folder that is read-only
        _drop_output()
        output.error(LambdactlError(problem.strerror or str(problem), where=str(problem.filename or "")))
        return Exit.FAILED
    finally:
        if quoted:
            output.resume_commands()


def _open_streams() -> None:
    """A standard stream that the caller closed leads nowhere; else the next file opened would become it.
    What a terminal's encoding lacks is escaped: no output, and no apply, is to break off over a character."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, mode))  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(code: int) -> NoReturn:
    """End now: what was abandoned by a second Ctrl-C may wait for something for ever, and to take apart all
    that a large plan is made of costs as much as making it did."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _drop_output() -> None:
    """What is still buffered cannot be written: Python would try again, and complain, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
