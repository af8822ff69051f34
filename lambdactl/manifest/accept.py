"""A schema as one quick yes or no, for the many documents that have nothing wrong. Pure.

`jsonschema` finds and explains errors but takes twice as long as parsing does, even when there are
none. So a document is first asked here, with the schema turned into closures, and only one that is
not accepted goes to `jsonschema`. A keyword that this module does not know is an error when the
schema is read, never a check left out; the tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Accepts = Callable[[Any], bool]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "integer": (int,),
    "number": (int, float),
}
_ANNOTATIONS = {"$schema", "title", "description", "default", "examples", "errorMessage"}
_OF_OBJECTS = {"properties", "additionalProperties", "propertyNames", "required"}


def acceptor(schema: Mapping[str, Any], resolve: Callable[[str], Mapping[str, Any]]) -> Accepts:
    """The predicate of `schema`; `resolve` finds what a $ref names. ValueError for an unknown keyword."""
    if "$ref" in schema:
        return acceptor(resolve(schema["$ref"]), resolve)
    rules = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
    checks: list[Accepts] = []
    if _OF_OBJECTS & rules.keys():
        checks.append(_object({key: rules.pop(key) for key in _OF_OBJECTS & rules.keys()}, resolve))
    if "items" in rules:
        items = acceptor(rules.pop("items"), resolve)
        checks.append(lambda value: all(map(items, value)))
    kind = rules.pop("type", None)
    checks += [_check(keyword, wanted) for keyword, wanted in rules.items()]
    if kind is not None:
        names = [kind] if isinstance(kind, str) else kind
        expected = [type_ for name in names for type_ in _TYPES[name]]
        return lambda value: type(value) in expected and all(check(value) for check in checks)
    return lambda value: all(check(value) for check in checks)


def pattern(text: str) -> re.Pattern[str]:
    """A `pattern` as JSON Schema means it: Python's `$` also comes before a last newline."""
    return re.compile(re.sub(r"\$$", r"\\Z", text))


def _check(keyword: str, wanted: Any) -> Accepts:
    match keyword:
        case "enum":
            return lambda value: any(type(value) is type(choice) and value == choice for choice in wanted)
        case "pattern":
            search = pattern(wanted).search
            return lambda value: search(value) is not None
        case "minimum":
            return lambda value: bool(value >= wanted)
        case "maximum":
            return lambda value: bool(value <= wanted)
        case "minLength" | "minItems" | "minProperties":
            return lambda value: len(value) >= wanted
        case "maxLength" | "maxItems" | "maxProperties":
            return lambda value: len(value) <= wanted
        case "uniqueItems":  # of texts only, which is all that our schemas have
            return lambda value: len(set(map(str, value))) == len(value)
    raise ValueError(f"{keyword} is not known to {__name__}")


def _object(rules: Mapping[str, Any], resolve: Callable[[str], Mapping[str, Any]]) -> Accepts:
    fields = {name: acceptor(part, resolve) for name, part in rules.get("properties", {}).items()}
    required = frozenset(rules.get("required", ()))
    names = acceptor(rules["propertyNames"], resolve) if "propertyNames" in rules else None
    extra = rules.get("additionalProperties", {})
    other: Accepts = (lambda value: False) if extra is False else acceptor(extra, resolve)

    def accepts(value: Any) -> bool:
        if type(value) is not dict:
            return True  # these keywords speak of maps only; `type` says whether it may be another
        if not value.keys() >= required or (names and not all(map(names, value))):
            return False
        return all(fields.get(name, other)(item) for name, item in value.items())

    return accepts
