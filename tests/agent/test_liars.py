"""CLIs whose events are not what they should be: whatever is said, the run has its one, valid result.

Any process of the agent can write into its CLI's standard output, so its events are an agent's words, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.agent.bench import ROOT, Bench, Done, definition

SCHEMA = json.loads((ROOT / "schemas/result.schema.json").read_text())
BEGAN = {"type": "system", "subtype": "init", "session_id": "s", "mcp_servers": []}
ENDED = {
    "type": "result", "subtype": "success", "is_error": False, "result": "done", "session_id": "s",
    "num_turns": 1, "total_cost_usd": 0.1, "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
DEEP = "[" * 900 + "]" * 900


def said(bench: Bench, *events: str, **agent: Any) -> Done:
    """A run whose `claude` prints these lines and ends."""
    told = bench.root / "told.jsonl"
    told.write_text("".join(f"{event}\n" for event in events))
    program(bench, f"exec cat {told}")
    document = {"type": "claude-code", "version": "0", "prompt": "x", "provider": "anthropic", **agent}
    return bench.run(definition(document))


def program(bench: Bench, script: str) -> None:
    file: Path = bench.home / "bin" / "claude"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)


@pytest.mark.parametrize(
    "lie",
    [
        {"num_turns": "many"},
        {"num_turns": 1.5},
        {"num_turns": -1},
        {"num_turns": True},
        {"num_turns": [1]},
        {"total_cost_usd": "much"},
        {"total_cost_usd": float("nan")},
        {"total_cost_usd": float("inf")},
        {"total_cost_usd": -1},
        {"total_cost_usd": 10**400},
        {"usage": {"input_tokens": "1" * 5000}},
        {"usage": {"input_tokens": -1}},
        {"usage": {"input_tokens": 1e999}},
        {"usage": [1]},
        {"result": {"a": [1]}},
        {"result": "\ud800"},
        {"permission_denials": [1]},
    ],
)
def test_a_last_word_of_the_wrong_kind(bench: Bench, lie: dict[str, Any]) -> None:
    done = said(bench, json.dumps(BEGAN), json.dumps({**ENDED, **lie}))
    assert done.exit_code == 0, done.stderr
    jsonschema.validate(done.result, SCHEMA)
    assert not {"NaN", "Infinity"} & set(done.text("result.json").replace(",", " ").split())
    assert done.result["usage"]["inputTokens"] >= 0


@pytest.mark.parametrize(
    "event",
    [
        {**BEGAN, "session_id": {"a": 1}},
        {**BEGAN, "session_id": 5},
        {**BEGAN, "mcp_servers": [{"name": ["x"]}]},
        {"type": "assistant", "message": {"content": [{"type": "text", "text": {"a": 1}}]}},
        {"type": "assistant", "message": {"id": "m", "usage": {"output_tokens": -5}, "content": []}},
        {"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "n", "input": "DEEP"}]}},
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": "DEEP"}]}},
        {"type": ["result"], "subtype": {}},
    ],
)
def test_an_event_of_the_wrong_kind_ends_no_run(bench: Bench, event: dict[str, Any]) -> None:
    line = json.dumps(event).replace('"DEEP"', DEEP)
    done = said(bench, json.dumps(BEGAN), line, json.dumps(ENDED))
    assert done.ending == ("succeeded", ""), done.stderr
    jsonschema.validate(done.result, SCHEMA)
    assert line.encode() in done.stream("events")


@pytest.mark.parametrize("id_", ["made-up-secret", "01a21b2e-97fe-78b5-bc4f-9464a679f8a8\n", "", None])
def test_what_is_no_sessions_id_is_not_taken_for_one(bench: Bench, id_: Any) -> None:
    """A checkpoint holds it as it is, and any process of the run may have written it."""
    real = "01a21b2e-97fe-78b5-bc4f-9464a679f8a8"
    lines = [json.dumps({**BEGAN, "session_id": each}) for each in (real, id_)]
    assert said(bench, *lines, json.dumps(ENDED)).result["sessionId"] == real


def test_an_output_too_deep_to_be_told_fails_the_run_and_costs_no_result(bench: Bench) -> None:
    last = json.dumps({**ENDED, "structured_output": {"a": "DEEP"}}).replace('"DEEP"', DEEP)
    done = said(bench, json.dumps(BEGAN), last, outputSchema={"type": "object"})
    assert done.result["outcome"] == "failed"
    assert "structured output" in done.result["reason"]


def test_an_input_too_deep_is_refused_before_anything_begins(bench: Bench) -> None:
    done = bench.run(definition({"command": ["/bin/true"]}), json.loads(DEEP))
    assert done.exit_code == 1
    assert "too deep" in done.stderr
    assert done.files() == []


def test_a_secret_that_is_a_number_is_masked_where_it_is_one(bench: Bench) -> None:
    last = json.dumps({**ENDED, "structured_output": {"pin": 48151623}})
    program(bench, f"echo '{json.dumps(BEGAN)}'; echo '{last}'")
    agent = {"type": "claude-code", "version": "0", "prompt": "x", "outputSchema": {"type": "object"}}
    secrets = {"PIN": "48151623"}
    done = bench.run(definition(agent, secrets={"PIN": "/demo/pin"}), secrets=secrets)
    assert done.result["outcome"] == "succeeded"
    assert done.leaks("48151623") == []
