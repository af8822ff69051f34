"""`lock` and `build`: what goes into images, and making them."""

from __future__ import annotations

from typing import Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Engine, Exit, Root


def lock(
    root: Root = HERE,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Ask anew for everything, not just for what is missing.")
    ] = False,
) -> int:
    """Write lambdactl.lock: the base image's digest and every package by hash. Review it in git."""
    from lambdactl import lock as locks
    from lambdactl.files import replace_file
    from lambdactl.project import Project

    project = Project.open(root)
    path = project.root / "lambdactl.lock"
    existing = locks.load(path)
    made = locks.resolve(project.settings, project.jobs.values(), existing, upgrade, on_line=output.line)
    if made == existing:
        output.result(f"{path.name} holds everything already")
    else:
        replace_file(path, made.dump())
        output.result(
            f"{path.name}: {len(made.packages)} bundles of packages, {len(made.images)} base images"
        )
    return Exit.OK


def build(
    jobs: Annotated[list[str] | None, typer.Argument(help="Only these jobs.", show_default="all")] = None,
    root: Root = HERE,
    engine: Engine = "",
) -> int:
    """Build the images that the engine does not have yet. Pushes nothing: `apply` does."""
    from lambdactl.project import Project
    from lambdactl.publish import Local

    project = Project.open(root)
    names = [project.job(name).name for name in jobs] if jobs else sorted(project.jobs)
    local = Local(engine=project.engine(engine), settings=project.settings, on_line=output.line)
    for name in names:
        context = project.contexts[name]
        output.result(f"{name}: {local.image(context)}")
    return Exit.OK
