"""A secret may be any word, also one of ours: what an agent made is masked, what we write stays ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lambdactl.bundled import schema
from tests.agent.bench import Bench, Done

WORDS = (
    *("succeeded", "failed", "outcome", "version", "runId", "result", "triage", "demo", "main"),
    *("artifacts", "stdout", "workspace", "command", "run.ended", "reason", "true", "null", "sandbox"),
)
SECRETS = {f"S{number}": word for number, word in enumerate(WORDS)}


def ours(done: Done, outcome: str) -> dict[str, Any]:
    """What of a run says nothing that the agent said, held against its form."""
    result = done.result
    Draft202012Validator(schema("result")).validate(result)
    assert {name: result[name] for name in ("outcome", "job", "project", "environment")} == {
        "outcome": outcome, "job": "triage", "project": "demo", "environment": "main",
    }  # fmt: skip
    assert (done.response["outcome"], done.response["runId"]) == (outcome, result["runId"])
    assert (done.lines[0]["type"], done.lines[0]["job"]) == ("run.started", "triage")
    assert (done.lines[-1]["type"], done.lines[-1]["outcome"]) == ("run.ended", outcome)
    (metrics,) = done.metrics
    assert (metrics["job"], metrics["outcome"]) == ("triage", outcome)
    return result


def test_what_an_agent_says_is_masked_and_our_own_words_are_not(bench: Bench) -> None:
    script = "git init -q; echo main > main; echo demo > demo.txt; echo it succeeded"
    done = bench.command("/bin/sh", "-c", script, values=SECRETS, artifacts=["*.txt", "main"])
    result = ours(done, "succeeded")
    assert result["output"] == "it ***S0***\n"
    assert sorted(file["path"] for file in result["files"]) == [
        "artifacts/***S7***.txt", "artifacts/***S8***", "artifacts/workspace.patch",
        "stderr/000001.log", "stdout/000001.log",
    ]  # fmt: skip
    assert done.text("artifacts/***S7***.txt") == "***S7***\n"
    assert done.text("stdout/000001.log") == "it ***S0***\n"
    assert {file["path"] for file in result["files"]} < set(done.files())


def test_a_reason_is_masked_where_it_repeats_the_agent(bench: Bench) -> None:
    done = bench.command("/bin/sh", "-c", "echo demo failed >&2; exit 3", values=SECRETS)
    result = ours(done, "failed")
    assert result["reason"] == done.response["reason"] == "exit code 3: ***S7*** ***S1***"
    assert done.lines[-1]["reason"] == result["reason"]


def test_what_was_asked_is_masked_by_its_words_and_recorded_whole(bench: Bench) -> None:
    event = {"version": 1, "input": {"demo": ["succeeded", "fine"]}}
    done = bench.command("/bin/true", values=SECRETS, event=event)
    ours(done, "succeeded")
    assert json.loads(done.text("input.json")) == {"***S7***": ["***S0***", "fine"]}
    request = json.loads(done.text("request.json"))
    assert (request["job"], request["runId"]) == ("triage", done.result["runId"])


def test_a_folder_too_deep_to_be_looked_at_is_named_without_a_part_of_a_value(bench: Bench) -> None:
    name = "made-up-secret-in-a-name"
    deep = "/".join([*["d" * 16] * 3, name, *["e"] * 100])
    done = bench.command("/bin/sh", "-c", f"mkdir -p {deep}", values={"T": name}, artifacts=["**/*.md"])
    assert "/***T***/" in " ".join(ours(done, "succeeded")["notes"])
    assert done.leaks(name[:6]) == []


def test_reason_and_log_say_the_same(bench: Bench) -> None:
    """A value may be another secret's name."""
    values = {"TOKEN": "made-up-one", "OTHER": "TOKEN"}
    done = bench.command("/bin/sh", "-c", "echo made-up-one >&2; exit 3", values=values)
    assert ours(done, "failed")["reason"] == done.lines[-1]["reason"] == "exit code 3: ***TOKEN***"


@pytest.mark.parametrize("word", ["sha256", "size", "contentType"])
def test_files_keep_their_form(bench: Bench, word: str) -> None:
    done = bench.command("/bin/sh", "-c", "echo x > a.txt", values={"S": word}, artifacts=["*.txt"])
    assert {"path", "size", "sha256", "contentType"} == set(ours(done, "succeeded")["files"][0])
