"""The parameters that jobs declare: what exists, what is missing, setting one. Keeps no value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambdactl.aws import Aws
from lambdactl.engine import Call
from lambdactl.errors import UsageError
from lambdactl.grants import ACCOUNT, Permissions
from lambdactl.manifest.job import Job

_FILTER_MAX = 50  # SSM: values in one parameter filter
SHORTEST = 4  # characters of what is masked, as agent.redact has it
ORDINARY = 8  # characters below which a word may be the same by accident
VALUE_MAX = 4096  # bytes; SSM's standard tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A declared parameter. `version` is 0 when it does not exist."""

    name: str
    jobs: tuple[str, ...]
    version: int = 0
    type: str = ""
    modified: datetime | None = None

    @property
    def exists(self) -> bool:
        return self.version > 0


def declared(jobs: Iterable[Job]) -> dict[str, tuple[str, ...]]:
    """Parameter name -> the jobs that declare it."""
    found: dict[str, list[str]] = {}
    for job in jobs:
        for name in sorted(set(job.secrets.values())):
            found.setdefault(name, []).append(job.name)
    return {name: tuple(found[name]) for name in sorted(found)}


def parameters(aws: Aws, jobs: Iterable[Job]) -> list[Parameter]:
    """All declared parameters. Asks for metadata only: nothing is decrypted."""
    needed = declared(jobs)
    names = list(needed)
    chunks = [names[start : start + _FILTER_MAX] for start in range(0, len(names), _FILTER_MAX)]
    known: dict[str, Mapping[str, Any]] = {
        each["Name"]: each
        for chunk in aws.each(lambda chunk: _describe(aws, chunk), chunks)
        for each in chunk
    }
    return [_parameter(name, jobs_, known.get(name)) for name, jobs_ in needed.items()]


def missing_notes(aws: Aws, jobs: Iterable[Job]) -> tuple[str, ...]:
    """A note for each declared parameter that does not exist."""
    return tuple(
        f"parameter {each.name} does not exist (needed by {', '.join(each.jobs)}): "
        f"`lambdactl secrets set {each.name}`"
        for each in parameters(aws, jobs)
        if not each.exists
    )


def resolve(name: str, jobs: Iterable[Job]) -> str:
    """A parameter's name, from itself or from a secret's name in a manifest."""
    if name.startswith("/"):
        return name
    found = sorted({job.secrets[name] for job in jobs if name in job.secrets})
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"no job declares a secret {name}", hint="name the parameter itself, as in /agents/token"
        )
    raise UsageError(f"{name} stands for several parameters: {', '.join(found)}", hint="name one of them")


def put(aws: Aws, name: str, value: str) -> None:
    """Store `value` as a SecureString under AWS's own key for SSM."""
    if not value:
        raise UsageError(
            "the value is empty", hint=f'pipe it in: `printf %s "$VALUE" | lambdactl secrets set {name}`'
        )
    size = len(value.encode())
    tier = "Standard" if size <= VALUE_MAX else "Advanced"
    parameters = {"Name": name, "Value": value, "Type": "SecureString", "Overwrite": True, "Tier": tier}
    aws.perform(Call(service="ssm", operation="PutParameter", parameters=parameters))


def masking(value: str) -> str:
    """What is to be known of how a run masks this value; "" when nothing is. Does not repeat it."""
    size = len(value.strip())
    if size < SHORTEST:
        return f"it is too short to be masked: a run that prints it shows it (under {SHORTEST} characters)"
    if size < ORDINARY:
        return f"it is short: whatever text happens to hold these {size} characters is masked in runs"
    return ""


def _describe(aws: Aws, names: list[str]) -> list[Any]:
    filters = [{"Key": "Name", "Option": "Equals", "Values": names}]
    return aws.pages("ssm", "DescribeParameters", "Parameters", ParameterFilters=filters)


def _parameter(name: str, jobs: tuple[str, ...], found: Mapping[str, Any] | None) -> Parameter:
    if found is None:
        return Parameter(name=name, jobs=jobs)
    return Parameter(
        name=name,
        jobs=jobs,
        version=found.get("Version", 1),
        type=found["Type"],
        modified=found.get("LastModifiedDate"),
    )


# `put` is for people: no value passes through a workflow.
PERMISSIONS = Permissions(reads={"ssm.DescribeParameters": {"ssm:DescribeParameters": ACCOUNT}})
