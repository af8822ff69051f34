"""Environments: which are declared, which one is meant, and what lambdactl.yaml says in it. Pure.

An environment is never guessed: a typing error, or a command that names none, must not reach another one.
"""

from __future__ import annotations

import re
from dataclasses import replace

from lambdactl.errors import UsageError
from lambdactl.manifest import resolve
from lambdactl.manifest.draft import overlaid
from lambdactl.manifest.finding import Finding
from lambdactl.manifest.finding import Path as Where
from lambdactl.manifest.job import Settings
from lambdactl.manifest.rules.project import project_findings
from lambdactl.manifest.source import Source

ONLY = "main"  # the one there is where none is declared
_NAME = re.compile(r"[a-z][a-z0-9]{1,31}")
_OF_JOBS = ("defaults", "jobs")  # of an environment: what is about jobs, not about the project
_HOW = "--environment NAME or LAMBDACTL_ENV"  # `run-local --env` names a secret
_OF_ALL = ("environments", "defaultEnvironment")


def declared(home: Source) -> tuple[str, ...]:
    """The environments' names as lambdactl.yaml has them, those that have something wrong included."""
    value = home.document.value.get("environments")
    names = value if isinstance(value, dict) else ()
    return tuple(name for name in names if _NAME.fullmatch(name))


def chosen(home: Source, name: str) -> str:
    """The environment that is meant by `name`, or by none. Raises UsageError, never guesses."""
    names, default = declared(home), home.sound.get("defaultEnvironment")
    if name and not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not an environment's name", hint="use a-z, then a-z and 0-9")
    if not names:
        broken = not home.document.usable or "environments" in home.document.value
        if broken or name in ("", ONLY):  # what is broken will be told
            return name or ONLY
        what = f"there is no environment {name}: lambdactl.yaml declares none"
        raise UsageError(what, hint=f"declare it under `environments:`, or leave {_HOW} away")
    if name in names:
        return name
    if name:
        raise UsageError(f"there is no environment {name}", hint=f"environments: {', '.join(names)}")
    if default in names:
        return str(default)
    if len(names) == 1:
        return names[0]
    hint = f"choose one by {_HOW}: {', '.join(names)}; or set `defaultEnvironment:` in lambdactl.yaml"
    raise UsageError("the project has several environments, and none is named", hint=hint)


def settings(home: Source, environment: str) -> Settings:
    """What holds in this environment."""
    common = {key: value for key, value in home.sound.items() if key not in _OF_ALL}
    own = home.at(("environments", environment)) or {}
    value = overlaid(common, {key: own[key] for key in own if key not in _OF_JOBS})
    return resolve.project(value, home.file.parent, environment, declared(home))


def findings(home: Source, project: Settings) -> list[Finding]:
    """What the schema cannot say about lambdactl.yaml in one environment."""
    found = [_placed(finding, home, project.environment) for finding in project_findings(project)]
    default, names = home.sound.get("defaultEnvironment"), declared(home)
    if default is not None and default not in names:
        hint = f"environments: {', '.join(names)}" if names else "declare it under `environments:`"
        found.append(Finding(("defaultEnvironment",), f"there is no environment {default}", hint))
    return found


def _placed(finding: Finding, home: Source, environment: str) -> Finding:
    own: Where = ("environments", environment, *finding.path)
    if home.at(own) is None:
        return finding
    return replace(finding, path=own)
