"""Output schemas of any shape: told what is wrong, never a crash; what passes is a JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lambdactl.manifest.output_schema import CHECKED, NAMED, ONE, SEVERAL, TOLD, findings

WORDS = sorted(CHECKED | NAMED | ONE | SEVERAL | TOLD | {"prefixItems", "object", "#/$defs/a", "a"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
SCHEMAS = st.dictionaries(st.sampled_from(WORDS), JSON, max_size=4)
AGENTS = st.sampled_from(["claude-code", "codex"])


@given(SCHEMAS, AGENTS, st.sampled_from(["", "http://json-schema.org/draft-07/schema#"]))
def test_any_map_is_judged(schema: dict[str, Any], agent: str, draft: str) -> None:
    schema = {**schema, **({"$schema": draft} if draft else {})}
    if not list(findings(schema, agent)):
        Draft202012Validator.check_schema(
            {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"}
        )
        assert schema["type"] == "object"


@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_a_plain_one_passes(agent: str) -> None:
    label = {"type": "string", "enum": ["bug"], "description": "What it is."}
    item = {"$ref": "#/$defs/label"}
    schema = {
        "type": "object",
        "properties": {"all": {"type": "array", "items": item}, "none": {"type": ["null", "integer"]}},
        "required": ["all", "none"],
        "additionalProperties": False,
        "$defs": {"label": label},
    }
    assert list(findings(schema, agent)) == []


def test_one_that_is_too_deep_or_too_long() -> None:
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(900):
        deep = {"type": "object", "properties": {"a": deep}}
    assert next(each.what for each in findings(deep, "codex")).startswith(("is nested", "has more"))
    long = {"type": "object", "description": "x" * 100_001}
    assert [each.what for each in findings(long, "codex")] == ["has more than 100000 bytes"]
