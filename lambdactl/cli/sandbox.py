"""`sandbox up|down|status`: the embedded AWS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Exit, Root

if TYPE_CHECKING:
    from lambdactl.manifest.job import Settings

app = typer.Typer(help="An AWS on this machine, for trying things out.", no_args_is_help=True)


@app.command()
def up(
    root: Root = HERE,
    engine: Annotated[
        str, typer.Option(help="docker, podman, or process (no container: enforces nothing).")
    ] = "",
    real_model: Annotated[
        bool, typer.Option("--real-model", help="Jobs talk to the real model, with the key in their secrets.")
    ] = False,
) -> int:
    """Start it, or find it up. Jobs in it really run; by default against a scripted model."""
    from lambdactl import sandbox

    environments = _environments(root)
    home = environments[0].root
    status = sandbox.up(home, engine=engine, scripted_model=not real_model, on_line=output.line)
    output.result(f"the embedded AWS is up at {status.url}")
    if not all(each.sandbox for each in environments):
        output.note("commands talk to it with --sandbox, or with `sandbox: true` in lambdactl.yaml")
    return Exit.OK


@app.command()
def down(
    root: Root = HERE,
    purge: Annotated[bool, typer.Option("--purge", help="Also delete all it holds.")] = False,
) -> int:
    """Stop it. What it holds is kept for the next time, unless purged."""
    from lambdactl import sandbox

    sandbox.down(_root(root), purge=purge)
    output.result("down" + (", all it held is deleted; images stay in the container engine" if purge else ""))
    return Exit.OK


@app.command()
def status(root: Root = HERE) -> int:
    """Say whether it is up, and where. Exit code 1 when it is down."""
    from lambdactl import sandbox

    found = sandbox.status(_root(root))
    if not found.up:
        output.result("down")
        return Exit.FAILED
    output.result(f"up at {found.url}, since {found.started}, process {found.pid}, data in {found.folder}")
    return Exit.OK


def _environments(root: Path) -> tuple[Settings, ...]:
    """What lambdactl.yaml says in each of them, whatever its manifests do: they share one sandbox."""
    from lambdactl import manifest

    return manifest.settings(manifest.find_root(root))


def _root(root: Path) -> Path:
    from lambdactl import manifest

    return manifest.find_root(root)
