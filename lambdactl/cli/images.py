"""`lock` and `build`: what goes into images, and making them."""

from __future__ import annotations

from typing import Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Engine, Env, Exit, Root, Sandbox, open_project


def lock(
    root: Root = HERE,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Ask anew for everything, not just for what is missing.")
    ] = False,
) -> int:
    """Write lambdactl.lock: the base image's digest and every package by hash. Review it in git.

    It is one for all environments of the project.
    """
    from lambdactl import lock as locks
    from lambdactl.files import replace_file
    from lambdactl.project import Project

    projects = Project.open_all(root)
    jobs = [job for project in projects for job in project.jobs.values()]
    path = projects[0].root / "lambdactl.lock"
    existing = locks.load(path)
    made = locks.resolve(projects[0].settings, jobs, existing, upgrade, on_line=output.line)
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
    push: Annotated[
        bool, typer.Option("--push", help="Also push to the project's registry, as `apply` would.")
    ] = False,
    root: Root = HERE,
    env: Env = "",
    sandbox: Sandbox = None,
    engine: Engine = "",
) -> int:
    """Build the images that are not there yet. With --push, what the registry has is not built again."""
    from lambdactl.container import find
    from lambdactl.publish import Local

    project = open_project(root, env, sandbox, talks=push)
    names = [project.job(name).name for name in jobs] if jobs else sorted(project.jobs)
    if push:
        made = project.images.push(names, engine=engine, on_line=output.line)
    else:
        local = Local(engine=find(engine), settings=project.settings, on_line=output.line)
        images = project.within(containers=True).images
        made = {name: local.image(images.context(name)) for name in names}
    for name in names:
        output.result(f"{name}: {made[name]}")
    return Exit.OK
