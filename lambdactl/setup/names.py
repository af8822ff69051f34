"""What the workflows of an environment are called on GitHub, so that several stand side by side. Pure.

A project without environments is in `main`, and its names say nothing about it.
"""

from __future__ import annotations

from lambdactl.manifest.environments import ONLY


def github_environment(environment: str) -> str:
    """GitHub's environment, in which the plan is applied that was read."""
    return "production" if environment == ONLY else environment


def changed(github_environment: str) -> str:
    """GitHub's environment, with reviewers, in which another plan is applied."""
    return f"{github_environment}-changed"


def variables(environment: str) -> str:
    """What the names of its repository variables begin with."""
    return "LAMBDACTL" if environment == ONLY else f"LAMBDACTL_{environment.upper()}"


def placeholders(environment: str) -> dict[str, str]:
    """The values of the workflows' templates; "" is a project's one environment, however it is called."""
    name = environment or ONLY
    plain = name == ONLY
    return {
        "OF": "" if plain else f" of {name}",
        "SUFFIX": "" if plain else f"-{name}",
        "ENV": environment or "${{ vars.LAMBDACTL_ENV }}",
        "VARIABLES": variables(name),
        "ENVIRONMENT": github_environment(name),
    }
