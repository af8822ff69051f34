"""Checks a JSON value against a JSON Schema, by the standard library alone. Pure.

It knows the keywords that draft 7 and 2020-12 share and that `validate` lets into `agent.outputSchema`
(lambdactl.manifest.output_schema), but for `format` and `pattern`: those are for the agent's CLI and its
provider, since a regular expression may take for ever. A `$ref` leads to a place in the same schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

DEEPEST = 60  # schemas within schemas, or references in a circle
STEPS = 1_000_000  # schemas looked at for one value

Schema = Any  # true, false, or a map of keywords


def fault(value: Any, schema: Schema) -> str:
    """The first thing wrong with `value`, as "where: what", or "". It does not repeat the value."""
    try:
        return next(_Check(schema).of(schema, value, "", DEEPEST), "")
    except (_TooMuchError, RecursionError, OverflowError):
        return "it is too deep, or has too much in it, to be checked"


class _TooMuchError(Exception):
    """Not said as a fault: a `not` or `anyOf` around it would make something of that."""


class _Check:
    def __init__(self, root: Schema) -> None:
        self._root, self._steps = root, 0

    def of(self, schema: Schema, value: Any, at: str, left: int) -> Iterator[str]:
        self._steps += 1
        if left == 0 or self._steps > STEPS:
            raise _TooMuchError
        if schema is False:
            yield _said(at, "is not allowed")
        if not isinstance(schema, Mapping):
            return
        for keyword, wanted in schema.items():
            if keyword in _PLAIN and (what := _PLAIN[keyword](value, wanted)):
                yield _said(at, what)
        yield from self._applied(schema, value, at, left - 1)
        if isinstance(value, Mapping):
            yield from self._members(schema, value, at, left - 1)
        if isinstance(value, list):
            yield from self._items(schema, value, at, left - 1)

    def _applied(self, schema: Mapping[str, Any], value: Any, at: str, left: int) -> Iterator[str]:
        """What further schemas say of the same value."""
        if "$ref" in schema:
            yield from self.of(self._referred(schema["$ref"]), value, at, left)
        for each in schema.get("allOf", ()):
            yield from self.of(each, value, at, left)
        if "anyOf" in schema and not any(self._fits(each, value, left) for each in schema["anyOf"]):
            yield _said(at, "fits none of anyOf")
        if "oneOf" in schema and sum(self._fits(each, value, left) for each in schema["oneOf"]) != 1:
            yield _said(at, "does not fit exactly one of oneOf")
        if "not" in schema and self._fits(schema["not"], value, left):
            yield _said(at, "is what it must not be")
        if "if" in schema:
            branch = "then" if self._fits(schema["if"], value, left) else "else"
            yield from self.of(schema.get(branch, True), value, at, left)

    def _members(
        self, schema: Mapping[str, Any], value: Mapping[str, Any], at: str, left: int
    ) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield _said(f"{at}.{name}", "is missing")
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, each in value.items():
            yield from self.of(known.get(name, others), each, f"{at}.{name}", left)
            yield from self.of(schema.get("propertyNames", True), name, f"{at}.{name}", left)

    def _items(self, schema: Mapping[str, Any], value: list[Any], at: str, left: int) -> Iterator[str]:
        for number, each in enumerate(value):
            yield from self.of(schema.get("items", True), each, f"{at}[{number}]", left)
        if "contains" in schema and not any(self._fits(schema["contains"], each, left) for each in value):
            yield _said(at, "lacks an item that it must have")

    def _fits(self, schema: Schema, value: Any, left: int) -> bool:
        return next(self.of(schema, value, "", left), None) is None

    def _referred(self, reference: str) -> Schema:
        found = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
        return found


def _said(at: str, what: str) -> str:
    return f"{at.removeprefix('.') or 'the whole'}: {what}"


def _spelled(value: Any) -> str:
    """Equal values have equal texts: 1 and 1.0 are one number, true is none."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) or name == "boolean":
        return isinstance(value, bool) and name == "boolean"
    whole = isinstance(value, float) and value.is_integer()
    return isinstance(value, _TYPES[name]) or (whole and name == "integer")


def _type(value: Any, wanted: Any) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return "" if any(_is(value, name) for name in names) else f"must be {' or '.join(names)}"


def _enum(value: Any, wanted: list[Any]) -> str:
    return "" if _spelled(value) in map(_spelled, wanted) else f"must be one of {json.dumps(wanted)[:200]}"


def _unique(value: Any, wanted: bool) -> str:
    all_differ = not isinstance(value, list) or len(set(map(_spelled, value))) == len(value)
    return "" if all_differ or not wanted else "has an item twice"


def _multiple(value: Any, wanted: float) -> str:
    whole = not _is(value, "number") or float(value / wanted).is_integer()
    return "" if whole else f"must be a multiple of {wanted}"


def _bound(type_: str, measure: Callable[[Any], Any], holds: Callable[[Any, Any], bool], text: str) -> Any:
    def check(value: Any, wanted: Any) -> str:
        return "" if not _is(value, type_) or holds(measure(value), wanted) else text.format(wanted)

    return check


_TYPES: Mapping[str, Any] = {
    "object": Mapping,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "null": type(None),
}
_PLAIN: Mapping[str, Callable[[Any, Any], str]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda value, wanted: _enum(value, [wanted]),
    "uniqueItems": _unique,
    "multipleOf": _multiple,
    "minimum": _bound("number", lambda value: value, lambda a, b: a >= b, "must be at least {}"),
    "maximum": _bound("number", lambda value: value, lambda a, b: a <= b, "must be at most {}"),
    "exclusiveMinimum": _bound("number", lambda value: value, lambda a, b: a > b, "must be more than {}"),
    "exclusiveMaximum": _bound("number", lambda value: value, lambda a, b: a < b, "must be less than {}"),
    "minLength": _bound("string", len, lambda a, b: a >= b, "must have {} characters or more"),
    "maxLength": _bound("string", len, lambda a, b: a <= b, "must have {} characters or fewer"),
    "minItems": _bound("array", len, lambda a, b: a >= b, "must have {} items or more"),
    "maxItems": _bound("array", len, lambda a, b: a <= b, "must have {} items or fewer"),
    "minProperties": _bound("object", len, lambda a, b: a >= b, "must have {} members or more"),
    "maxProperties": _bound("object", len, lambda a, b: a <= b, "must have {} members or fewer"),
}
