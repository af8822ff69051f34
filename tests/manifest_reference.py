"""Writes docs/manifest.md from the schemas: `python -m tests.manifest_reference`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lambdactl.bundled import schema
from lambdactl.manifest.later import planned

PATH = Path(__file__).parents[1] / "docs" / "manifest.md"
HEAD = """\
# Manifests

Generated from `schemas/` by `python -m tests.manifest_reference`; a test keeps it true.

`lambdactl validate` checks all of this and names file, line and column of every problem at once. Editors \
that know YAML schemas show these descriptions as you type: `init` writes `schemas/` and the first line of \
its files that points there (`# yaml-language-server: $schema=...`). After an upgrade of lambdactl write \
them anew:

```console
$ lambdactl schema job > schemas/job.schema.json
$ lambdactl schema project > schemas/project.schema.json
```

Texts that YAML versions read differently (`no`, `0x10`, `10:30`) must be in quotes; merge keys (`<<`) are \
refused, `defaults` in lambdactl.yaml is for what jobs share.
"""
JOB = """\
## A job: jobs/NAME.yaml

One job: a coding agent, its tools, and what it may touch. The file's name is the job's name. The smallest:
"""
PROJECT = """\
## lambdactl.yaml

Where the jobs of this folder live in AWS, and what holds for all of them. The smallest:
"""
LATER = """\
## Not there yet

These fields are designed but not built. They are refused, not ignored.

| field | what it is for |
|---|---|
"""
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "map",
}
_COLUMNS = "| field | type and limits | default | what it is |\n|---|---|---|---|\n"


def reference() -> str:
    """The whole page."""
    later = "".join(f"| `{field}` | {feature} |\n" for field, feature in planned())
    return "\n".join([HEAD, *_document(JOB, "job"), *_document(PROJECT, "project"), LATER + later])


def _document(head: str, name: str) -> Iterator[str]:
    example = yaml.safe_dump(schema(name)["examples"][0], sort_keys=False)
    yield f"{head}\n```yaml\n{example}```\n"
    yield _COLUMNS + "".join(f"{row}\n" for row in _rows(schema(name), ""))


def _rows(part: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, field in part["properties"].items():
        if "$ref" in field:
            continue  # defaults: the fields of a job
        default = "*required*" if name in part.get("required", ()) else _default(field)
        what = f"{_cell(field['description'])} {_example(field)}"
        yield f"| `{prefix}{name}` | {_cell(_type(field))} | {default} | {what} |"
        extra = field.get("additionalProperties")
        if "properties" in field:
            yield from _rows(field, f"{prefix}{name}.")
        elif isinstance(extra, dict) and "properties" in extra:
            yield from _rows(extra, f"{prefix}{name}.NAME.")


def _type(field: Mapping[str, Any]) -> str:
    extra = field.get("additionalProperties")
    if field["type"] == "array":
        kind = f"list of {_TYPES[field['items']['type']]}s"
    elif isinstance(extra, dict):
        kind = f"map of NAME to {_TYPES[extra['type']]}"
    elif isinstance(field["type"], list):
        several = len(field["type"]) < 3
        kind = " or ".join(_TYPES[each] for each in field["type"]) if several else "anything"
    else:
        kind = _TYPES[field["type"]]
    return "; ".join([kind, *_limits(field)])


def _limits(field: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in field:
        yield f"one of {', '.join(map(str, field['enum']))}"
    elif "errorMessage" in field:
        yield field["errorMessage"]
    elif "maxLength" in field:
        yield f"at most {field['maxLength']} characters"
    elif "maxProperties" in field:
        yield f"at most {field['maxProperties']}"
    names = field.get("propertyNames", {}).get("errorMessage")
    if names:
        yield f"each NAME {names}"


def _default(field: Mapping[str, Any]) -> str:
    return f"`{_written(field['default'])}`" if "default" in field else ""


def _example(field: Mapping[str, Any]) -> str:
    text = _cell(_written(field["examples"][0]))
    return f"Example: ``{text}``" if "`" in text else f"Example: `{text}`"


def _written(value: Any) -> str:
    """As it can stand in YAML."""
    plain = isinstance(value, str) and yaml.safe_load(value) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    """In a table's cell: what stands in <> is not HTML, and a bar ends no column."""
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")


if __name__ == "__main__":
    PATH.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{PATH}\n")
