"""The supervisor's check of JSON Schema against jsonschema's, for any schema that `validate` lets in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent import shape
from lambdactl.manifest import output_schema

NAMES = st.sampled_from("abc")
NUMBERS = st.integers(-3, 3) | st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.0])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "b", "abc"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
COUNTS = st.integers(0, 3)
TYPES = st.sampled_from(["object", "array", "string", "number", "integer", "null", "boolean"])


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    numbers = st.sampled_from([-1, 0, 0.5, 1, 2])
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "required": st.lists(NAMES, max_size=2, unique=True),
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "contains": inner,
            "uniqueItems": st.booleans(),
            "multipleOf": st.sampled_from([0.5, 1, 2]),
            **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), numbers),
            **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), COUNTS),
            **dict.fromkeys(("minProperties", "maxProperties"), COUNTS),
            **dict.fromkeys(("allOf", "anyOf", "oneOf"), several),
            **dict.fromkeys(("not", "if", "then", "else"), inner),
            "$ref": st.sampled_from(["#/$defs/a", "#/$defs/b~1c"]),
        },
    )


SCHEMAS = st.recursive(st.booleans(), schemas, max_leaves=8)
DEFINITIONS = {"a": {"type": ["integer", "string"]}, "b/c": {"maxProperties": 1}}


@given(SCHEMAS, VALUES)
def test_it_says_what_jsonschema_says(schema: Any, value: Any) -> None:
    whole = {"allOf": [schema], "$defs": DEFINITIONS}
    assert (shape.fault(value, whole) == "") == Draft202012Validator(whole).is_valid(value)


def test_what_validate_lets_in_is_checked_here() -> None:
    named = {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "required", "items", "contains"}
    known = named | set(shape._PLAIN) | {"additionalProperties", "propertyNames"}
    assert known == output_schema.CHECKED | output_schema.ONE | output_schema.SEVERAL


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["x", 1]}, "a[1]: must be string"),
        ({"required": ["a"]}, {}, "a: is missing"),
        ({"additionalProperties": False}, {"a": 1}, "a: is not allowed"),
        ({"minLength": 3}, "ab", "the whole: must have 3 characters or more"),
        ({"enum": ["a", 1]}, True, 'the whole: must be one of ["a", 1]'),
    ],
)
def test_it_says_where_and_what_and_never_the_value(schema: Any, value: Any, said: str) -> None:
    assert shape.fault(value, schema) == said


CIRCLE = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}], "not": {"$ref": "#"}}
BUSY = {"items": {"items": {"anyOf": [*[False] * 999, True]}}}


@pytest.mark.parametrize(("schema", "value"), [(CIRCLE, 1), (BUSY, [[1] * 999] * 999)])
def test_what_takes_too_long_is_no_fit(schema: Any, value: Any) -> None:
    assert "too much in it" in shape.fault(value, schema)


def test_a_number_too_large_to_divide() -> None:
    assert shape.fault(10**400, {"multipleOf": 0.5})
