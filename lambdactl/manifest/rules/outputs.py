"""agent.outputSchema: a JSON Schema, written out or in a file, that the agent can work with. Only reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lambdactl.manifest.draft import AGENT_FIELDS, Draft
from lambdactl.manifest.finding import Finding, Path, dotted, shown
from lambdactl.manifest.output_schema import findings
from lambdactl.manifest.rules.files import Unfit, read_output_schema

_PATH: Path = ("agent", "outputSchema")


def output_schema(draft: Draft) -> Iterator[Finding]:
    given = draft.agent.get("outputSchema")
    if given is None or "outputSchema" not in AGENT_FIELDS.get(draft.agent_type, ()):
        return
    if not isinstance(given, str):
        for found in findings(given, draft.agent_type):
            about = found.path[:-1] if found.key else found.path
            what = f"{dotted((*_PATH, *about))} {found.what}"
            yield replace(found, path=(*_PATH, *found.path), what=what)
        return
    try:
        schema = read_output_schema(draft.project.root, given)
    except Unfit as error:
        what, hint = error.args
        yield Finding(_PATH, f"outputSchema {shown(given)} {what}", hint)
        return
    for found in findings(schema, draft.agent_type):
        about = found.path[:-1] if found.key else found.path
        where = f", at {dotted(about)}," if about else ""
        yield Finding(_PATH, f"the schema in {shown(given)}{where} {found.what}", found.hint)
