"""What `show` says of a run, and `run-local` while it goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdactl.bundled import schema
from lambdactl.report import runs as report
from lambdactl.report import streams
from lambdactl.runs import Run, ended, read_result

EXAMPLE: dict[str, Any] = schema("result")["examples"][0]


def page(**changes: Any) -> str:
    return str(report.whole(ended({**EXAMPLE, **changes}, "s3://b/t/"), ()))


def test_where_all_holds_there_is_nothing_to_say() -> None:
    assert "exposed" not in page()
    assert "memory   412 MB at most" in page()


def test_what_did_not_hold_is_said() -> None:
    text = page(hardening={"notDumpable": False, "environmentEmptied": True, "new\x1bone": False})
    assert "exposed  the agent could read the supervisor's memory; new" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["hardening", "memoryPeakMb"])
def test_results_of_older_images_lack_them(name: str) -> None:
    old = {key: value for key, value in EXAMPLE.items() if key != name}
    assert "triage" in str(report.whole(ended(old, "s3://b/t/"), ()))


USAGE = '{"type": "agent.usage", %s}'


@pytest.mark.parametrize(
    "line",
    [
        USAGE % '"inputTokens": "x"',
        USAGE % '"inputTokens": 1, "costUsd": "x"',
        USAGE % f'"inputTokens": 1, "costUsd": {10**400}',
        USAGE % '"inputTokens": [1], "outputTokens": {}, "turns": []',
        "[" * 100_000,
        '{"type": ["agent.usage"]}',
        '{"type": "run.ended", "reason": {}}',
        f'{{"a": {"9" * 5000}}}',
    ],
)
def test_a_line_of_progress_may_be_anything(line: str) -> None:
    """Whatever a job prints passes here: it must not end `run-local`."""
    assert report.progress(line) is not None


@pytest.mark.parametrize(
    "event",
    [
        {"type": "result", "total_cost_usd": "x", "usage": {"input_tokens": 1}},
        {"type": "result", "total_cost_usd": 10**400},
        {"type": "result", "total_cost_usd": [1], "num_turns": {}},
    ],
)
def test_an_event_may_be_anything(event: dict[str, Any]) -> None:
    for text in streams.drawn(json.dumps(event).encode()):
        assert "\n" not in str(text)


@pytest.mark.parametrize("wrong", [{"hardening": ["x"]}, {"memoryPeakMb": "much"}])
def test_a_job_may_have_written_anything(wrong: dict[str, Any]) -> None:
    run = Run(id=EXAMPLE["runId"], job="triage", folder="s3://b/t/", state="unreadable")
    assert read_result(json.dumps({**EXAMPLE, **wrong}).encode(), run).state == "unreadable"


def test_tokens_are_all_that_were_sent() -> None:
    usage = {"inputTokens": 10, "outputTokens": 3, "cacheReadTokens": 1000, "cacheWriteTokens": 200}
    assert "\ntokens   1,210 in (1,000 from the cache), 3 out\n" in page(usage=usage)


def test_a_leg_is_a_line_a_person_reads() -> None:
    leg = {
        "leg": 1, "ended": "continued", "turns": 1, "costUsd": 0.5,
        "startedAt": "2026-11-26T06:02:01.051Z", "endedAt": "2026-11-26T06:02:14.282Z",
    }  # fmt: skip
    assert "\nleg 1    continued after 13.2 s, 1 turn, $0.5000\n" in page(legs=[leg])
    for wrong in (None, "soon", "2026-11-26T06:02:01.051"):
        assert "\nleg 1    continued, 1 turn, $0.5000\n" in page(legs=[{**leg, "startedAt": wrong}])


@pytest.mark.parametrize("name", ["inputTokens", "cacheReadTokens", "costUsd"])
def test_a_job_may_print_anything_in_the_words_of_progress(name: str) -> None:
    text = json.dumps({"type": "agent.usage", name: "much"})
    assert str(report.progress(text)) == text
