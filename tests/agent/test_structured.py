"""Structured output, with both real CLIs: asked for, handed over, checked, and in the result."""

from __future__ import annotations

from typing import Any

import pytest

from agent import structured
from tests.agent.bench import Bench
from tests.agent.both import KINDS, run
from tests.agent.test_contract import validator

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["bug", "question"]},
        "duplicateOf": {"type": ["integer", "null"]},
    },
    "required": ["label", "duplicateOf"],
    "additionalProperties": False,
}
FITS = {"label": "bug", "duplicateOf": 17}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_in_the_result(clis: Bench, kind: str) -> None:
    steps = ({"bash": "echo looked"}, {"output": FITS})
    done = run(kind, clis, *steps, agent={"outputSchema": SCHEMA})
    assert done.ending == ("succeeded", "")
    assert done.result["structuredOutput"] == FITS
    validator("result").validate(done.result)


def test_why_it_does_not_fit_is_masked_before_it_is_cut() -> None:
    """The path to what is wrong is of the agent's keys: half a value is not found any more."""
    deep = {"a" * 170: {"made-up-secret-in-a-key": 1}}
    schema = {"additionalProperties": {"additionalProperties": False}}
    said = structured.check(deep, schema)[1]
    assert "made-up-secret-in-a-key" in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_a_script_makes_one_up(clis: Bench, kind: str) -> None:
    done = run(kind, clis, agent={"outputSchema": SCHEMA, "prompt": "Look at the issue."})
    assert done.ending == ("succeeded", "")
    assert done.result["structuredOutput"]["label"] == "bug"


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_it_has_failed(clis: Bench, kind: str) -> None:
    done = run(kind, clis, {"say": "I would rather not."}, agent={"outputSchema": SCHEMA})
    assert done.ending == ("failed", "the agent gave no structured output, which outputSchema asks for")
    assert done.result["structuredOutput"] is None


def test_claude_code_lets_the_model_try_again(clis: Bench) -> None:
    wrong = {"label": "nonsense", "duplicateOf": None}
    done = run("claude-code", clis, {"output": wrong}, {"output": FITS}, agent={"outputSchema": SCHEMA})
    assert done.ending == ("succeeded", "")
    assert done.result["structuredOutput"] == FITS


def test_what_codex_lets_pass_is_checked_here(clis: Bench) -> None:
    """That its provider keeps to the schema is the provider's word; a gateway may not."""
    wrong = {"label": "hunter2", "duplicateOf": None}
    done = run("codex", clis, {"output": wrong}, agent={"outputSchema": SCHEMA})
    reason = 'the structured output does not fit outputSchema: label: must be one of ["bug", "question"]'
    assert done.ending == ("failed", reason)
    assert done.result["structuredOutput"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_schema_nothing_is_asked_for(clis: Bench, kind: str) -> None:
    done = run(kind, clis, {"say": '{"label": "bug"}'})
    assert done.ending == ("succeeded", "")
    assert done.result["structuredOutput"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_stopped_is_not_blamed_for_it(clis: Bench, kind: str) -> None:
    done = run(kind, clis, {"bash": "sleep 60"}, timeout=8, agent={"outputSchema": SCHEMA})
    assert done.result["outcome"] == "timed_out"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (float("nan"), "the structured output is not JSON"),
        ({"a": float("inf")}, "the structured output is not JSON"),
        ({"a": "x" * structured.LARGEST}, "a result carries at most 1,048,576"),
        ([], "the whole: must be object"),
    ],
)
def test_what_a_result_cannot_carry(output: Any, said: str) -> None:
    value, reason = structured.check(output, {"type": "object"})
    assert value is None
    assert said in reason
