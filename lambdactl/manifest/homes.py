"""Where a field belongs that stands in the wrong place: as a hint beside "unknown field". Pure."""

from __future__ import annotations

from collections.abc import Collection

from lambdactl.bundled import schema
from lambdactl.manifest.finding import Path
from lambdactl.manifest.later import feature_of


def home_of(name: str, path: Path, key: str) -> str:
    """How to mend `key` at `path` of a document of the schema `name`; "" when no place is known for it."""
    place = path if name == "job" else of_job(path)
    if place is None:
        return _in_project(path, key)
    if not place:
        if feature_of(("agent", key)):
            return "it belongs under `agent:`, and is not there yet"
        if key in _of_agent():
            return "it belongs under `agent:`"
        if name == "project" and key in _fields("job"):
            return "it belongs to each job itself"
        return "it belongs into lambdactl.yaml" if key in _fields("project") else ""
    if place == ("agent",) and key in _fields("job"):
        return "it belongs beside `agent:`, not in it"
    return ""


def of_job(path: Path) -> Path | None:
    """The path in a job that a path of lambdactl.yaml stands for; None when it is the project's own."""
    match path:
        case ("defaults", *rest) | ("environments", _, "defaults", *rest):
            return tuple(rest)
        case ("environments", _, "jobs", _, *rest):
            return tuple(rest)
    return None


def _in_project(path: Path, key: str) -> str:
    if path and (path[0] != "environments" or len(path) != 2):
        return ""
    if path and key in _fields("project"):
        return "it holds in all environments: set it at the top of lambdactl.yaml"
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
