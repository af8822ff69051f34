"""JSON Schemas for an agent's structured output: which ones every part of the way can work with. Pure.

Claude Code checks with Ajv in its strict mode, draft 7: it refuses keywords it does not know, those of
2020-12 among them. OpenAI's strict mode, which Codex asks for, takes fewer still. The supervisor checks
what both drafts share (agent.shape). What is refused here would fail each run instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lambdactl.manifest.finding import Finding, Path, shown
from lambdactl.manifest.rules.limits import TEXT_MAX

_DRAFTS = ("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema")
ONE = frozenset({"additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else"})
SEVERAL = frozenset({"allOf", "anyOf", "oneOf"})
NAMED = frozenset({"properties", "$defs", "definitions"})
CHECKED = frozenset(
    {"$ref", "type", "enum", "const", "required", "uniqueItems", "multipleOf"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"}
    | {"minItems", "maxItems", "minProperties", "maxProperties"}
)
# For the model and its reader; `pattern` and `format` are checked by the CLI or its provider alone.
TOLD = frozenset(
    {"$schema", "$comment", "title", "description", "default", "examples", "readOnly", "writeOnly"}
    | {"pattern", "format"}
)
_KNOWN = ONE | SEVERAL | NAMED | CHECKED | TOLD
_INSTEAD = {
    "prefixItems": "use an object with a property for each place",
    "patternProperties": "name the properties, or use additionalProperties",
    "nullable": 'write the type as a list, as in [string, "null"]',
}
# platform.openai.com/docs/guides/structured-outputs, "Supported schemas".
_NOT_OPENAIS = frozenset(
    {"allOf", "oneOf", "not", "if", "then", "else", "propertyNames", "contains", "uniqueItems"}
    | {"minProperties", "maxProperties"}
)
_NO_PATTERN = ("missing )", "unbalanced parenthesis", "nothing to repeat", "unterminated character set")


def findings(schema: Mapping[str, Any], agent_type: str) -> Iterator[Finding]:
    """What is wrong with a schema, at paths inside it."""
    try:
        yield from tuple(_findings(schema, agent_type))
    except RecursionError:
        yield Finding((), "is nested too deeply", "write a plainer schema")


def _findings(schema: Mapping[str, Any], agent_type: str) -> Iterator[Finding]:
    if len(json.dumps(schema)) > TEXT_MAX:
        yield Finding((), f"has more than {TEXT_MAX} bytes", "shorten it")
        return
    if invalid := _invalid(schema):
        yield invalid
        return
    yield from _root(schema)
    for path, part in _parts(schema, ()):
        yield from _keywords(path, part)
        yield from _reference(path, part, schema)
        yield from _ajv(path, part)
        if agent_type == "codex":
            yield from _strict(path, part)


def _invalid(schema: Mapping[str, Any]) -> Finding | None:
    """The plainest way in which it is no JSON Schema. What both drafts share, 2020-12's schema describes."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    draft = schema.get("$schema", _DRAFTS[0])
    if not isinstance(draft, str) or draft.rstrip("#") not in _DRAFTS:
        return Finding(("$schema",), f"is of another draft: {shown(draft)}", "use 2020-12 or 7")
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    error: Any = best_match(meta.iter_errors({**schema, "$schema": _DRAFTS[0]}))
    if error is None:
        return None
    path = tuple(error.absolute_path)
    what = f"is not valid JSON Schema: {shown(error.instance)} cannot stand there"
    several = path[-1:] == ("items",) and isinstance(error.instance, list)
    hint = _INSTEAD["prefixItems"] if several else f"the draft's own schema says: {error.validator}"
    return Finding(path, what, hint)


def _root(schema: Mapping[str, Any]) -> Iterator[Finding]:
    if schema.get("type") != "object":
        yield Finding((), "does not describe an object", "begin it with `type: object`, for both agents")
    for keyword in (*sorted(SEVERAL), "$ref"):
        if keyword in schema:
            what = f"has {keyword} at its top, which models' providers do not take"
            yield Finding((keyword,), what, "put it into a property", key=True)


def _parts(schema: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every schema in a schema, itself included."""
    if not isinstance(schema, Mapping):
        return  # true, or false
    yield path, schema
    for keyword, value in schema.items():
        if keyword in ONE and isinstance(value, Mapping):
            yield from _parts(value, (*path, keyword))
        elif keyword in SEVERAL:
            for number, each in enumerate(value):
                yield from _parts(each, (*path, keyword, number))
        elif keyword in NAMED:
            for name, each in value.items():
                yield from _parts(each, (*path, keyword, name))


def _keywords(path: Path, part: Mapping[str, Any]) -> Iterator[Finding]:
    for keyword in part:
        if keyword not in _KNOWN or (keyword == "$schema" and path):
            hint = _INSTEAD.get(keyword, "use what drafts 7 and 2020-12 have in common")
            yield Finding(
                (*path, keyword), f"has {shown(keyword)}, which is not supported here", hint, key=True
            )


def _reference(path: Path, part: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Finding]:
    found: Any = part
    followed: set[str] = set()
    while isinstance(found, Mapping) and "$ref" in found:
        reference = found["$ref"]
        if reference in followed:
            yield Finding((*path, "$ref"), "leads in a circle", "refer to a schema that says something")
            return
        followed.add(reference)
        found = _at(reference, schema)
        if found is None:
            what = f"has a $ref to {shown(reference)}, which is not in it"
            yield Finding((*path, "$ref"), what, "refer to a place in the same schema, as in #/$defs/NAME")
            return


def _at(reference: str, schema: Mapping[str, Any]) -> Any:
    """The schema that `#` or `#/...` names; None when there is none."""
    first, *steps = reference.split("/")
    found: Any = schema if first == "#" else None
    for step in steps:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping | bool) else None


def _ajv(path: Path, part: Mapping[str, Any]) -> Iterator[Finding]:
    """What Claude Code's check refuses although JSON Schema does not."""
    choices = part.get("enum", [None])
    if not choices or len({json.dumps(each, sort_keys=True) for each in choices}) < len(choices):
        yield Finding((*path, "enum"), "is empty or names something twice", "name each choice once")
    if ("if" in part) != bool({"then", "else"} & part.keys()):
        yield Finding(path, "has only a part of if, then and else", "write `if` and one of the others")
    try:
        re.compile(part.get("pattern", ""))
    except re.error as error:
        if error.msg.startswith(_NO_PATTERN):  # of others: JavaScript's expressions are not Python's
            yield Finding((*path, "pattern"), f"is no regular expression: {error.msg}", "mend it")


def _strict(path: Path, part: Mapping[str, Any]) -> Iterator[Finding]:
    for keyword in sorted(_NOT_OPENAIS & part.keys()):
        what = f"has {keyword}, which OpenAI's strict mode does not take"
        yield Finding((*path, keyword), what, "leave it out for type codex", key=True)
    if "properties" not in part and "object" not in part.get("type", ()):
        return
    if part.get("additionalProperties") is not False:
        what = "has an object without `additionalProperties: false`, which OpenAI's strict mode asks for"
        yield Finding((*path, "additionalProperties"), what, "add it", key=True)
    if optional := sorted(part.get("properties", {}).keys() - set(part.get("required", ()))):
        what = f"does not require {', '.join(map(shown, optional))}; OpenAI's strict mode wants all required"
        hint = 'name them in required; what may be absent has the type [..., "null"]'
        yield Finding((*path, "required"), what, hint, key=True)
