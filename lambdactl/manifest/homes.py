"""Where a field belongs that stands in the wrong place: as a hint beside "unknown field". Pure."""

from __future__ import annotations

from collections.abc import Collection

from lambdactl.bundled import schema
from lambdactl.manifest.finding import Path
from lambdactl.manifest.later import feature_of


def home_of(name: str, path: Path, key: str) -> str:
    """How to mend `key` at `path` of a document of the schema `name`; "" when no place is known for it."""
    if name == "project" and not path:
        return _in_project(key)
    if path == ("defaults",) and key in _fields("job"):
        return "it belongs to each job itself"
    place = path[1:] if name == "project" and path[0] == "defaults" else path
    if not place:
        if feature_of(("agent", key)):
            return "it belongs under `agent:`, and is not there yet"
        if key in _of_agent():
            return "it belongs under `agent:`"
        return "it belongs into lambdactl.yaml" if key in _fields("project") else ""
    if place == ("agent",) and key in _fields("job"):
        return "it belongs beside `agent:`, not in it"
    return ""


def _in_project(key: str) -> str:
    if key in schema("project")["properties"]["defaults"]["properties"]:
        return "it belongs to a job, or for all jobs under `defaults:`"
    if key in _fields("job"):
        return "it belongs to a job"
    return "it belongs under `defaults: agent:`" if key in _of_agent() else ""


def _of_agent() -> Collection[str]:
    fields: Collection[str] = schema("job")["properties"]["agent"]["properties"].keys()
    return fields


def _fields(name: str) -> Collection[str]:
    fields: Collection[str] = schema(name)["properties"].keys()
    return fields
