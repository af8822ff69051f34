"""Values of secrets for a run on this machine, from a file or from named variables. Never echoes one."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from lambdactl.errors import Refused, UsageError
from lambdactl.manifest.job import Job
from lambdactl.manifest.rules.secrets import MODEL_KEYS


def from_file(path: Path) -> dict[str, str]:
    """NAME=VALUE lines. Refused when git tracks the file or when others may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}", why=str(error)) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Refused(f"others may read {path}", hint=f"chmod 600 {path}")
    if _tracked(path):
        raise Refused(f"git tracks {path}", hint=f"git rm --cached {path}, ignore it, and replace its values")
    return dict(_pair(path, number, line) for number, line in enumerate(text.splitlines(), 1) if _says(line))


def from_environment(names: Iterable[str], job: Job, environment: Mapping[str, str]) -> dict[str, str]:
    """The named variables, each a secret that the job declares."""
    values = {}
    for name in names:
        if name not in job.secrets:
            raise UsageError(
                f"{job.name} declares no secret {name}",
                hint="declare it under secrets: in its manifest (an environment is chosen by --environment)",
            )
        if name not in environment:
            raise UsageError(
                f"{name} is not set in the environment",
                hint="export it first; or --secrets-file, with lines of NAME=VALUE",
            )
        values[name] = environment[name]
    return values


def check(job: Job, values: Mapping[str, str]) -> None:
    """Every declared secret has a value, and nothing else is given."""
    if extra := sorted(values.keys() - job.secrets.keys()):
        raise UsageError(f"{job.name} declares no secret {', '.join(extra)}")
    if missing := sorted(job.secrets.keys() - values.keys()):
        raise UsageError(
            f"no value for {', '.join(missing)}",
            hint="--secrets-file, --env NAME, --scripted-model (the model's key), or --creds job to read SSM",
        )


def model_key(job: Job) -> str:
    """The name under which a job declares its model's key, "" when it does not."""
    names = MODEL_KEYS.get(job.agent.type, ())
    return next((name for name in names if name in job.secrets), "")


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _pair(path: Path, number: int, line: str) -> tuple[str, str]:
    name, equals, value = line.strip().removeprefix("export ").partition("=")
    if not equals or not name.strip().isidentifier():
        raise UsageError("is not NAME=VALUE", where=f"{path}:{number}")  # without the line: it may be a value
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return name.strip(), value


def _tracked(path: Path) -> bool:
    file = path.resolve()  # a link to a tracked file is no way round
    try:
        asked = subprocess.run(
            ["git", "-C", str(file.parent), "ls-files", "--error-unmatch", "--", file.name],
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False  # no git here, or one that hangs: nobody says that it is tracked
    return asked.returncode == 0
