"""The line of numbers that each run leaves in the log, against AWS's specification of the format."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent import metrics
from lambdactl.bundled import schema
from lambdactl.report import runs as report
from tests.agent.bench import Bench

# "Specification: Embedded metric format", CloudWatch user guide, and the schema that it gives.
SIZES = tuple(f"{size}{unit}" for unit in ("bytes", "bits") for size in ("Kilo", "Mega", "Giga", "Tera"))
AMOUNTS = ("Bytes", "Bits", "Count", *SIZES)
TIMES = ("Seconds", "Milliseconds", "Microseconds")
UNITS = (*TIMES, *AMOUNTS, *(f"{each}/Second" for each in AMOUNTS), "Percent", "None")
NAME = {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^.*$"}
METRIC = {
    "type": "object",
    "required": ["Name"],
    "properties": {"Name": NAME, "Unit": {"enum": UNITS}, "StorageResolution": {"enum": [1, 60]}},
    "additionalProperties": False,
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": {**NAME, "pattern": "^[0-9A-Za-z._/#: -]+$"},
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "minItems": 1, "maxItems": 30, "items": {**NAME, "maxLength": 250}},
        },
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": METRIC},
    },
    "additionalProperties": False,
}
FORMAT = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},
                "CloudWatchMetrics": {"type": "array", "items": DIRECTIVE},
            },
        }
    },
}
LARGEST = 1 << 20  # bytes of a log event


def check(line: dict[str, Any]) -> None:
    """The schema, and what it cannot say: each name that is referred to is there, as what it must be."""
    Draft202012Validator(FORMAT).validate(line)
    assert len(json.dumps(line)) < LARGEST
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for dimension in {each for group in directive["Dimensions"] for each in group}:
            value = line[dimension]
            assert isinstance(value, str)
            assert 0 < len(value) <= 1024
            assert value.isascii()
        for metric in directive["Metrics"]:
            assert isinstance(line[metric["Name"]], int | float)
            assert not isinstance(line[metric["Name"]], bool)


EXAMPLE = schema("result")["examples"][0]
NOW = datetime(2026, 11, 23, 20, 46, 13, 375_000, tzinfo=timezone.utc)  # noqa: UP017 - as the agent does


def test_a_run_in_numbers() -> None:
    line = metrics.line(EXAMPLE, NOW)
    check(line)
    assert line["_aws"]["Timestamp"] == 1795466773375
    counted, measured = line["_aws"]["CloudWatchMetrics"]
    assert (counted["Namespace"], counted["Dimensions"]) == (
        "lambdactl", [["project", "environment", "job", "outcome"]],
    )  # fmt: skip
    assert [each["Name"] for each in counted["Metrics"]] == ["runs"]
    assert measured["Dimensions"] == [["project", "environment", "job"]]
    assert [each["Name"] for each in measured["Metrics"]] == [
        "duration", "costUsd", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "turns",
        "memoryPeakMb",
    ]  # fmt: skip
    assert (line["duration"], line["costUsd"], line["turns"], line["memoryPeakMb"]) == (72.125, 0.42, 12, 412)


@pytest.mark.parametrize("unknown", ["costUsd", "turns", "memoryPeakMb"])
def test_a_number_that_is_not_known_is_left_out(unknown: str) -> None:
    line = metrics.line({**EXAMPLE, unknown: None}, NOW)
    check(line)
    assert unknown not in json.dumps(line)


def test_each_run_leaves_one_line_by_which_alarms_find_it(bench: Bench) -> None:
    """A job's name is no secret, even if a secret is the same word: a mark would be another metric."""
    done = bench.command("sh", "-c", "exit 3", job="nightly", values={"T": "nightly"})
    (line,) = done.metrics
    check(line)
    assert (line["project"], line["job"], line["outcome"], line["runs"]) == ("demo", "nightly", "failed", 1)
    assert line["duration"] == done.result["durationSeconds"]
    assert line["runId"] == done.result["runId"]


def test_a_second_delivery_is_not_counted(bench: Bench) -> None:
    assert len(bench.command("true").metrics) == 1
    assert bench.command("true").metrics == []


def test_on_a_terminal_it_is_passed_over() -> None:
    assert report.progress(json.dumps(metrics.line(EXAMPLE, NOW))) is None
