"""`init`, `bootstrap`, `permissions`: the first day of a repository and of an account."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambdactl.cli import output
from lambdactl.cli.options import HERE, Env, Exit, Root
from lambdactl.errors import AwsError, LambdactlError, UsageError

if TYPE_CHECKING:
    from lambdactl.project import Project
    from lambdactl.site import Site


class Schema(StrEnum):
    """What editors can be helped with."""

    job = "job"
    project = "project"


class Work(StrEnum):
    """What somebody is to be allowed."""

    plan = "plan"
    apply = "apply"
    launch = "launch"


def init(
    root: Annotated[
        Path, typer.Option("--root", "-C", help="The repository's top folder.", show_default="here")
    ] = HERE,
    project: Annotated[
        str,
        typer.Option(help="First part of every name in AWS.", show_default="the repository's name"),
    ] = "",
    region: Annotated[str, typer.Option(help="Where the jobs live.", show_default="us-east-1")] = "",
    env: Annotated[
        str,
        typer.Option(
            "--env",
            help="Only the workflows, for this environment of an existing project, beside those of others.",
        ),
    ] = "",
    install_from: Annotated[
        str,
        typer.Option(
            help="Where the workflows get lambdactl: git+https://HOST/OWNER/lambdactl@COMMIT,"
            " or the path of a wheel in the repository. Without it they fail and say so."
        ),
    ] = "",
) -> int:
    """Write lambdactl.yaml, an example job, workflows, and schemas for editors. Never overwrites a file."""
    from lambdactl import setup

    if env:
        if project or region:
            raise UsageError(
                "--project and --region are for a new project", hint="leave them away with --env"
            )
        setup.init_workflows(root, env, install_from=install_from, on_line=output.result)
        output.note(f"next: `lambdactl bootstrap --print --env {env}`, which says what GitHub needs")
        return Exit.OK
    setup.init(root, project=project, region=region, install_from=install_from, on_line=output.result)
    output.note("next: `lambdactl lock`, then `lambdactl validate` and `lambdactl plan --offline`")
    return Exit.OK


def bootstrap(
    repo: Annotated[
        str,
        typer.Option(
            help="OWNER/NAME on GitHub; OWNER@ID/NAME@ID if made or renamed after 2026-07-15.",
            show_default="the remote `origin`",
        ),
    ] = "",
    github_environment: Annotated[
        str,
        typer.Option(
            help="The GitHub environment that applies.", show_default="production, or as the environment"
        ),
    ] = "",
    print_: Annotated[
        bool, typer.Option("--print", help="Print the template: nothing else is done with it.")
    ] = False,
    root: Root = HERE,
    env: Env = "",
) -> int:
    """Print the one-time set-up of AWS for the workflows: a CloudFormation template.

    With `account` and `region` in lambdactl.yaml AWS is not asked, and no credentials are needed.
    """
    from lambdactl import setup
    from lambdactl.project import Project
    from lambdactl.setup import git, names

    if not print_:
        raise UsageError(
            "bootstrap only prints: an administrator reads and applies it",
            hint="lambdactl bootstrap --print > bootstrap.yaml",
        )
    project = Project.open(root, environment=env, sandbox=False)
    repository = repo or git.repository(project.root)
    if not repository:
        raise UsageError("there is no remote `origin` to take the repository from", hint="--repo OWNER/NAME")
    site = _site(project)
    environment = github_environment or names.github_environment(site.environment)
    trust = setup.Trust(repository=repository, environment=environment)
    allowed = project.settings.allow_parameters
    output.raw(setup.bootstrap(site, trust, allowed_parameters=allowed))
    return Exit.OK


def permissions(
    work: Annotated[
        Work, typer.Argument(help="plan; apply (with plan and push); launch (and read the runs).")
    ],
    env: Env = "",
    root: Root = HERE,
) -> int:
    """Print the least IAM policy for this project's plan, apply or launch, as JSON.

    With `account` and `region` in lambdactl.yaml AWS is not asked, and no credentials are needed. For apply
    the project must have a permissionsBoundary: without one, who may write roles may do anything. What
    removes images or logs (apply --prune with --images or --logs, destroy --data) is for people: not in it.
    """
    import json

    from lambdactl import permissions as policies
    from lambdactl.project import Project

    project = Project.open(root, environment=env, sandbox=False)
    site = _site(project)
    if work is Work.launch:
        policy = policies.launch(site, (job.prefix for job in project.jobs.values()))
    else:
        given = (job.role for job in project.jobs.values() if job.role)
        policy = policies.plan(site) if work is Work.plan else policies.apply(site, given)
    output.raw(json.dumps(policy, indent=2))
    if size := policies.oversize(policy):
        output.note(f"note: {size}", style="yellow")
    return Exit.OK


def schema(
    name: Annotated[Schema, typer.Argument(help="job, or project: of lambdactl.yaml.")],
) -> int:
    """Print a JSON Schema: after an upgrade, `lambdactl schema job > schemas/job.schema.json`."""
    from lambdactl.bundled import schema_text

    output.raw(schema_text(name.value))
    return Exit.OK


def _site(project: Project) -> Site:
    """From lambdactl.yaml alone where it says account and region; else AWS is asked whose we are."""
    from lambdactl.aws import LOG_IN

    account, region = project.settings.account, project.settings.region
    if account and region:
        return project.offline_site
    if project.settings.sandbox:
        raise UsageError(
            "lambdactl.yaml chooses the sandbox, whose account is none",
            hint="set `account:` and `region:` in lambdactl.yaml to those of the account that this is for",
        )
    try:
        return project.site
    except LambdactlError as error:
        absent = " and ".join(
            f"`{name}:`" for name, value in (("account", account), ("region", region)) if not value
        )
        unknown = isinstance(error, AwsError) and error.code == "NoCredentialsError"
        mend = LOG_IN if unknown else error.hint  # not by the sandbox, whose account is none
        error.hint = f"set {absent} in lambdactl.yaml, and AWS is not asked; or {mend}"
        raise
