"""The schemas themselves: valid, described for editors, and with examples that pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from lambdactl.bundled import schema
from lambdactl.manifest import load
from lambdactl.manifest.check import check
from lambdactl.manifest.later import _LATER
from tests.manifest.conftest import Write


def _fields(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in part.get("properties", {}).items():
        if "$ref" not in field:
            yield f"{path}.{name}", field
            yield from _fields(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            yield from _fields(part[key], f"{path}.*")


FIELDS = [(f"{name}{path}", field) for name in ("job", "project") for path, field in _fields(schema(name))]


@pytest.mark.parametrize("name", ["job", "project"])
def test_schema_is_valid_and_its_examples_pass(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    for example in schema(name)["examples"]:
        assert list(check(name, example)) == []


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=[path for path, _ in FIELDS])
def test_every_field_is_described_with_examples_that_pass(path: str, field: dict[str, Any]) -> None:
    assert field["title"]
    assert field["description"].endswith(".")
    assert field["type"]
    assert field["examples"]
    validator = Draft202012Validator(field)
    if not path.startswith(("project.defaults", "project.environments")):
        for example in field["examples"]:
            assert validator.is_valid(example), example
    if field["type"] == "object":
        assert "additionalProperties" in field


def _defaults(part: dict[str, Any]) -> dict[str, Any]:
    """A value with every default that a schema names, written out."""
    fields = part.get("properties", {}).items()
    found = {name: field["default"] if "default" in field else _defaults(field) for name, field in fields}
    return {name: value for name, value in found.items() if value != {}}


def test_the_defaults_that_editors_show_are_those_that_hold(project: Write) -> None:
    least: dict[str, Any] = {
        "agent": {"type": "claude-code", "model": "m", "prompt": "p"},
        "secrets": {"ANTHROPIC_API_KEY": "/k"},
        "prefix": "a/",
        "schedule": {"expression": "cron(0 6 * * ? *)"},
    }
    said = _defaults(schema("job"))
    assert (said["memory"], said["logs"]) == (3072, {"format": "text", "retentionDays": 30})
    full = {**least, **said, **{key: {**least[key], **said[key]} for key in ("agent", "schedule")}}
    short = load(project(a=yaml.safe_dump(least))).checked()
    long = load(
        project(yaml.safe_dump({"project": "demo", **_defaults(schema("project"))}), a=yaml.safe_dump(full))
    )
    assert long.checked().jobs == short.jobs
    assert long.project == short.project


def test_defaults_know_every_field_of_a_job_but_its_own() -> None:
    job = set(schema("job")["properties"]) - {"prefix", "description", "schedule"}
    defaults = schema("project")["properties"]["defaults"]["properties"]
    assert {name: field["$ref"] for name, field in defaults.items()} == {
        name: f"job.schema.json#/properties/{name}" for name in job
    }


def test_an_environment_may_say_every_field_of_a_job_anew() -> None:
    environment = schema("project")["properties"]["environments"]["additionalProperties"]["properties"]
    overrides = environment["jobs"]["additionalProperties"]["properties"]
    assert {name: field["$ref"] for name, field in overrides.items()} == {
        name: f"job.schema.json#/properties/{name}" for name in schema("job")["properties"]
    }
    for name, field in environment.items():
        assert name == "jobs" or field == {"$ref": f"#/properties/{name}"}


def test_a_field_is_there_or_comes_later_but_not_both() -> None:
    known = {path.replace("job.", "", 1) for path, _ in FIELDS}
    assert known & {".".join(path) for path in _LATER} == set()
