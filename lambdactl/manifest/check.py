"""A document against its JSON Schema, told in our own words. Pure.

`jsonschema`'s own messages repeat whole values, which may be secrets or huge; ours name the field,
what it must be, and how to mend it. The schema's `errorMessage` (which editors show as well) says
what a value must look like.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from lambdactl.bundled import schema
from lambdactl.manifest.accept import Accepts, acceptor, pattern
from lambdactl.manifest.finding import Finding, Path, dotted, shown
from lambdactl.manifest.homes import home_of, of_job
from lambdactl.manifest.later import feature_of

NEAR = 0.7  # of difflib's ratio; below that a field is another word
_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
}
_KINDS = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a decimal number",
    dict: "a map",
    list: "a list",
}


def check(name: str, value: dict[str, Any]) -> Iterator[Finding]:
    """Every place where `value` breaks the schema `name` ("job" or "project")."""
    return iter(()) if _acceptor(name)(value) else _errors(name, value)


def _errors(name: str, value: dict[str, Any]) -> Iterator[Finding]:
    for error in _validator(name).iter_errors(value):
        path = tuple(error.absolute_path)
        if "propertyNames" in error.absolute_schema_path:
            what = f"the name {shown(error.instance)} in {dotted(path)} {_expected(error)}"
            yield Finding((*path, error.instance), what, "rename it", key=True)
        elif error.validator == "additionalProperties":
            yield from _unknown(name, path, error.instance, list(error.schema.get("properties", ())))
        elif error.validator == "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield Finding((*path, key), f"{dotted((*path, key))} is missing", f"add `{key}:`")
        else:
            yield _explain(path, error)


@cache
def _acceptor(name: str) -> Accepts:
    return acceptor(schema(name), _referred)


def _referred(reference: str) -> dict[str, Any]:
    """What a `$ref` of ours names: [job.schema.json]#/properties/NAME; without a file, the project's."""
    file, _, field = reference.partition("#/properties/")
    found: dict[str, Any] = schema(file.removesuffix(".schema.json") or "project")["properties"][field]
    return found


@cache
def _validator(name: str) -> Any:
    """One validator for the process: making one costs a hundred times what using it does."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry, Resource

    # The schemas have no $id: editors resolve project.schema.json's references beside the file.
    registry = Registry().with_resource("job.schema.json", Resource.from_contents(schema("job")))
    # JSON Schema takes 3072.0 for an integer; AWS does not.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    strict: Any = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"pattern": _mismatch}, type_checker=types
    )
    return strict(schema(name), registry=registry)


def _mismatch(validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(value, str) and not pattern(wanted).search(value):
        yield ValidationError(f"does not match {wanted}")


def _unknown(name: str, path: Path, instance: dict[str, Any], known: Sequence[str]) -> Iterator[Finding]:
    for key in instance:
        if key in known:
            continue
        here = (*path, key)
        in_job = here if name == "job" else of_job(here)
        feature = feature_of(in_job or here)
        if feature:
            what = f"{dotted(here)} is not there yet: {feature} will come in a later version of lambdactl"
            yield Finding(here, what, "remove it for now", key=True)
            continue
        hint = home_of(name, path, key) or _near(key, known)
        yield Finding(here, f"unknown field {shown(key)}{_inside(path)}", hint, key=True)


def _near(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key.lower(), {name.lower(): name for name in known}, n=1, cutoff=NEAR)
    return f"did you mean `{_spelled(near[0], known)}`?" if near else f"known here: {', '.join(known)}"


def _spelled(lower: str, known: Sequence[str]) -> str:
    return next(name for name in known if name.lower() == lower)


def _inside(path: Path) -> str:
    return f" in {dotted(path)}" if path else ""


def _explain(path: Path, error: Any) -> Finding:
    field, wanted, value = dotted(path), error.validator_value, error.instance
    match error.validator:
        case "type":
            return _wrong_type(path, error)
        case "enum":
            return Finding(path, f"{field} is {shown(value)}, which is not a choice", _choice(value, wanted))
        case "minItems" | "minLength" | "minProperties":
            return Finding(
                path, f"{field} must not be empty", error.schema.get("errorMessage", "fill it or remove it")
            )
        case "maxItems" | "maxLength" | "maxProperties":
            return Finding(
                path, f"{field} is too long: at most {wanted}", error.schema.get("errorMessage", "shorten it")
            )
        case "uniqueItems":
            return Finding(path, f"{field} names something twice", "remove the repeated one")
    return Finding(path, f"{field} is {shown(value)} but {_expected(error)}", _example(error))


def _choice(value: Any, choices: Sequence[Any]) -> str:
    """All choices, a number's neighbour named; of texts the one that is spelled like it, if one is."""
    every = f"choose one of: {', '.join(map(str, choices))}"
    if all(isinstance(each, int | float) for each in (value, *choices)):
        return f"{every} ({min(choices, key=lambda each: abs(each - value))} is the nearest)"
    near = difflib.get_close_matches(str(value), map(str, choices), n=1)
    return f"did you mean {near[0]}?" if near else every


def _wrong_type(path: Path, error: Any) -> Finding:
    value, wanted = error.instance, error.validator_value
    field = dotted(path) or "the file"
    if value is None:
        return Finding(path, f"{field} has no value", f"it must be {_named(wanted)}; fill it or remove it")
    what = f"{field} must be {_named(wanted)}, not {_KINDS[type(value)]}"
    quoted = isinstance(value, str) and (wanted == "boolean" or (wanted == "integer" and value.isdecimal()))
    if quoted:
        return Finding(path, what, "write it without quotes")
    if "errorMessage" in error.schema:
        return Finding(path, what, f"it {_expected(error)}")
    if wanted == "string" and not isinstance(value, dict | list):
        return Finding(path, what, "put it in quotes")
    return Finding(path, what, _example(error))


def _named(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_TYPES[name] for name in names) if len(names) < 3 else "anything but null"


def _expected(error: Any) -> str:
    if "errorMessage" in error.schema:
        return str(error.schema["errorMessage"])
    words = {"minimum": "must be at least", "maximum": "must be at most", "pattern": "must match"}
    return f"{words.get(error.validator, error.validator)} {error.validator_value}"


def _example(error: Any) -> str:
    examples = error.schema.get("examples")
    return f"for example {shown(examples[0])}" if examples else "see the schema"


def without(value: dict[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """A copy of `value` that lacks what is at `paths`: what is left is fit for the rules."""
    dropped = set(paths)

    def copy(part: Any, path: Path) -> Any:
        if isinstance(part, dict):
            return {k: copy(v, (*path, k)) for k, v in part.items() if (*path, k) not in dropped}
        if isinstance(part, list):
            return [copy(v, (*path, i)) for i, v in enumerate(part) if (*path, i) not in dropped]
        return part

    result = copy(value, ())
    assert isinstance(result, dict)
    return result
