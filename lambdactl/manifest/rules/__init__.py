"""What the schema cannot say: each rule is a function from a draft to its findings.

A rule may meet a draft from which broken parts were taken out, so it says nothing about what is
absent unless it points at the very field that should be there (the loader drops such findings
about parts that are already reported). To add a rule, write the function and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding
from lambdactl.manifest.rules import (
    agents,
    files,
    limits,
    model,
    names,
    outputs,
    prefixes,
    roles,
    schedules,
    secrets,
    servers,
    tags,
)

Rule = Callable[[Draft], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    names.job_name,
    agents.type_is_given,
    agents.fields_fit_type,
    agents.model_and_prompt,
    agents.version,
    agents.provider,
    agents.reserved_environment,
    model.caps,
    model.logins,
    model.price,
    model.bedrock,
    servers.transport,
    servers.pinned,
    servers.address,
    servers.command,
    servers.aws,
    secrets.parameters,
    secrets.model_key,
    secrets.references,
    secrets.unused,
    secrets.credentials,
    prefixes.prefix,
    limits.timeout,
    limits.legs,
    limits.event_age,
    tags.tags,
    roles.role,
    roles.local_dev,
    limits.sizes,
    schedules.expression,
    schedules.timezone,
    schedules.window,
    schedules.input_size,
    schedules.role_name,
    files.prompt_file,
    outputs.output_schema,
    files.include,
    files.artifacts,
    files.packages,
)


def findings(draft: Draft) -> Iterator[Finding]:
    for rule in RULES:
        yield from rule(draft)
