"""`plan`, `apply`, `drift`, `destroy`: what would change, and making it so."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import (
    HERE,
    Engine,
    Env,
    Exit,
    Format,
    Root,
    Sandbox,
    Timeout,
    Yes,
    confirmed,
    only_with,
    open_project,
)
from lambdactl.cli.signals import stopping
from lambdactl.errors import Refused, UsageError

if TYPE_CHECKING:
    from lambdactl.engine import Plan
    from lambdactl.project import Project
    from lambdactl.saved import Saved
    from lambdactl.scope import Scope

STOPPING = "stopping: what is under way is finished, nothing more is started"
OLD_DAYS = 30

Prune = Annotated[bool, typer.Option("--prune", help="Also remove jobs that are no longer in git.")]
Logs = Annotated[bool, typer.Option("--logs", help="With --prune: also their log groups.")]
Images = Annotated[
    bool, typer.Option("--images", help="With --prune: also images that are old and that no function uses.")
]
OlderThan = Annotated[
    int | None,
    typer.Option(
        "--older-than",
        min=0,
        max=36_500,
        metavar="DAYS",
        help="With --images: how old those are that go.",
        show_default=str(OLD_DAYS),
    ),
]
MassPrune = Annotated[
    bool,
    typer.Option("--allow-mass-prune", help="With --prune: even when most jobs would go, or all of them."),
]
Adopt = Annotated[
    bool, typer.Option("--adopt", help="Take over what has our names and carries nobody's ownership mark.")
]
Full = Annotated[bool, typer.Option("--full", help="Read everything, also what a stamp vouches for.")]
Target = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", help="Only jobs with this name, or matching it (`team-*`). Repeatable."),
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="All jobs but these. Repeatable.")]
Expect = Annotated[
    str | None,
    typer.Option("--expect", metavar="FINGERPRINT", help="Only if this is the plan, as printed with it."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="text, json, or markdown for a pull request.")]


def plan(
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    prune: Prune = False,
    logs: Logs = False,
    images: Images = False,
    older_than: OlderThan = None,
    allow_mass_prune: MassPrune = False,
    adopt: Adopt = False,
    full: Full = False,
    target: Target = None,
    exclude: Exclude = None,
    expect: Expect = None,
    format: FormatOption = Format.text,
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep the plan in this file, for `lambdactl apply FILE`.")
    ] = None,
    calls: Annotated[
        bool, typer.Option("--calls", help="Print the exact calls to AWS instead, and what is waited for.")
    ] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask AWS nothing: the plan for an empty account.")
    ] = False,
    timeout: Timeout = None,
) -> int:
    """Show what apply would change. Changes nothing, builds nothing.

    With --expect, exit with 2 when the plan is another one. With --calls and --format json each entry of
    `calls` says what to `do`: call, build or wait.
    """
    scope = _scope(prune, logs, images, older_than, allow_mass_prune, adopt, full, target, exclude)
    _check_answers(calls, format, expect, detailed_exitcode)
    if offline and (out is not None or _beyond_empty(scope)):
        raise UsageError(
            "--offline plans all jobs for an empty account",
            hint="leave out --out, --full and what chooses or takes over",
        )
    project = open_project(root, env, sandbox, talks=not offline, time_limit=timeout, plans=not offline)
    made = project.plan_offline() if offline else project.plan(scope)
    if calls:
        _show_calls(made, format, (project.offline_site if offline else project.site).repository_uri)
    else:
        _show(made, format)
    if out is not None:
        _keep(out, project.saved(made, scope))
    return _exit_of(made, expect, detailed_exitcode)


def apply(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A plan kept by `plan --out`: exactly that is applied.", show_default="a new plan"
        ),
    ] = None,
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    prune: Prune = False,
    logs: Logs = False,
    images: Images = False,
    older_than: OlderThan = None,
    allow_mass_prune: MassPrune = False,
    adopt: Adopt = False,
    full: Full = False,
    target: Target = None,
    exclude: Exclude = None,
    expect: Expect = None,
    yes: Yes = False,
    engine: Engine = "",
    lock_timeout: Annotated[
        float, typer.Option("--lock-timeout", min=0, help="Seconds to wait for another apply to end.")
    ] = 0,
    timeout: Timeout = None,
) -> int:
    """Make AWS as the manifests say. Shows the plan and asks first."""
    scope = _scope(prune, logs, images, older_than, allow_mass_prune, adopt, full, target, exclude)
    old = _kept(file, scope) if file else None
    if old:
        scope = old.scope
    project = open_project(root, env, sandbox, time_limit=timeout, plans=True)
    made = project.plan(scope)
    if old:
        project.check_saved(old, made)
    if expect is not None and expect != made.fingerprint:
        _show(made, Format.text)
        raise Refused(
            f"the plan is {made.fingerprint}, not {expect}: nothing was changed",
            hint="read this plan, then apply it by its own fingerprint",
        )
    ask = _Ask("Apply {} steps?", yes, lock_timeout)
    return _carry_out(project, made, lambda: project.plan(scope), ask, engine)


def drift(
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    format: FormatOption = Format.text,
    timeout: Timeout = None,
) -> int:
    """Compare all in AWS with the manifests; say if AWS or git changed. Exits with 2 on a difference."""
    from lambdactl.report import plan as report

    project = open_project(root, env, sandbox, time_limit=timeout, plans=True)
    made, origins = project.drift()
    match format:
        case Format.text:
            output.result(report.text(made, origins))
        case Format.json:
            output.raw(report.json_(made, origins))
        case Format.markdown:
            output.raw(report.comment(made, title="lambdactl drift", origins=origins))
    if not (made.steps or made.refused or made.blocked):
        return Exit.OK
    output.note("`lambdactl apply --full --prune` makes AWS as git says; or put into git what was changed")
    return Exit.CHANGES


def destroy(
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    data: Annotated[
        bool, typer.Option("--data", help="Also the log groups, images and the repository.")
    ] = False,
    yes: Yes = False,
    timeout: Timeout = None,
) -> int:
    """Remove all of the project's resources. The bucket and the runs in it always stay.

    Jobs that are protected stay, too: apply them with `protect: false` first.
    """
    project = open_project(root, env, sandbox, time_limit=timeout, whole=False)
    made = project.plan_destroy(data=data)
    ask = _Ask("Remove {} resources for good?", yes, 0)
    code = _carry_out(project, made, lambda: project.plan_destroy(data=data), ask)
    output.note(f"what stays: the bucket {project.site.bucket} with its runs, and the parameters")
    return code


@dataclass(frozen=True, slots=True)
class _Ask:
    question: str
    yes: bool
    lock_timeout: float


def _scope(
    prune: bool,
    logs: bool,
    images: bool,
    older_than: int | None,
    allow_mass_prune: bool,
    adopt: bool,
    full: bool,
    target: list[str] | None,
    exclude: list[str] | None,
) -> Scope:
    from lambdactl.scope import Scope

    only_with("--prune", prune, logs=logs, images=images, allow_mass_prune=allow_mass_prune)
    only_with("--images", images, older_than=older_than is not None)
    return Scope(
        prune=prune,
        prune_logs=logs,
        prune_images=(OLD_DAYS if older_than is None else older_than) if images else None,
        allow_mass_prune=allow_mass_prune,
        adopt=adopt,
        full=full,
        targets=tuple(target or ()),
        excludes=tuple(exclude or ()),
    )


def _check_answers(calls: bool, format: Format, expect: str | None, detailed_exitcode: bool) -> None:
    if calls and format is Format.markdown:
        raise UsageError("--calls prints text or json", hint="leave out --calls for a pull request's comment")
    if expect is not None and detailed_exitcode:
        raise UsageError(
            "exit code 2 would mean either of --expect and --detailed-exitcode", hint="leave out one of them"
        )


def _exit_of(made: Plan, expect: str | None, detailed_exitcode: bool) -> int:
    if made.refused or made.problems or made.blocked:
        return Exit.FAILED
    if expect is not None and expect != made.fingerprint:
        output.note(f"the plan is {made.fingerprint}, not {expect}", style="yellow")
        return Exit.CHANGES
    return Exit.CHANGES if made.steps and detailed_exitcode else Exit.OK


def _beyond_empty(scope: Scope) -> bool:
    """Whether it asks for more than to remove: of an empty account nothing could be."""
    return scope.narrowed or scope.adopt or scope.full


def _keep(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    output.note(f"kept in {file}: `lambdactl apply {shlex.quote(str(file))}`")


def _kept(file: Path, scope: Scope) -> Saved:
    """The plan in `file`, which says itself what it takes in: options beside it would be passed over."""
    from lambdactl import saved
    from lambdactl.scope import Scope

    if scope != Scope():
        raise UsageError(
            "a saved plan says itself what it takes in", hint="pass such options to `plan --out`"
        )
    try:
        return saved.parse(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise UsageError(f"cannot read the plan {file}", why=error.strerror or "") from None
    except UnicodeDecodeError:
        raise UsageError("this is no saved plan", where=str(file), why="it is no text") from None


def _carry_out(project: Project, made: Plan, again: Callable[[], Plan], ask: _Ask, engine: str = "") -> int:
    """Show the plan, ask, and apply it under the lock: if `again` finds it to be the same there."""
    from lambdactl import reconcile
    from lambdactl.report.plan import told_steps

    _show(made, Format.text)
    reconcile.guard(made)
    if not made.steps:
        return Exit.FAILED if made.blocked else Exit.OK
    confirmed(ask.question.format(len(told_steps(made))), ask.yes)
    with project.locked(ask.lock_timeout, on_wait=lambda holder: output.line(f"waiting for {holder}")):
        now = again()
        reconcile.guard(now)
        if not now.steps and not now.blocked:
            output.note("another apply has done it meanwhile: nothing is left to do")
            return Exit.OK
        if now.fingerprint != made.fingerprint:
            raise Refused(
                "until the lock was ours, AWS moved: the plan is another one, and nothing was changed",
                hint="run it again, and read that plan",
            )
        return _apply(project, now, engine)


def _apply(project: Project, made: Plan, engine: str) -> int:
    from lambdactl.engine import Failed, Skipped
    from lambdactl.report import events as report
    from lambdactl.report.plan import told_steps

    told, seen, undone = {step.address for step in told_steps(made)}, [], False
    command = shlex.join(["lambdactl", *sys.argv[1:]])
    with stopping(STOPPING) as stop:
        for event in project.apply(
            made, engine=engine, on_line=output.line, stop=stop.is_set, command=command
        ):
            undone = undone or isinstance(event, Failed | Skipped)
            if event.step.address in told or isinstance(event, Failed):
                output.note(report.event(event))
                seen.append(event)
    output.note(report.summary(seen))
    if undone and stop.is_set():
        return Exit.INTERRUPTED
    return Exit.FAILED if undone or made.blocked else Exit.OK


def _show(made: Plan, format: Format) -> None:
    from lambdactl.report import plan as report

    if format is Format.text:
        output.result(report.text(made))
    else:
        output.raw(report.json_(made) if format is Format.json else report.comment(made))


def _show_calls(made: Plan, format: Format, repository: str) -> None:
    from lambdactl.report import calls

    output.raw((calls.json_ if format is Format.json else calls.text)(made, repository))
