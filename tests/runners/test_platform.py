"""Lambda's own lines, as text and as JSON; and the header by which it counts a chain of invocations."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lambdactl.runners import trace
from lambdactl.runners.platform import End, InitReport, Line, Report, Start, written

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
REPORT = Report(request_id="r", duration=0.0015, memory=128, max_memory=20, init=0.25)
FAILED = Report(
    request_id="r", duration=3, memory=128, max_memory=0, status="error", error_type="Runtime.OutOfMemory"
)


@pytest.mark.parametrize(
    ("line", "text", "type_", "record"),
    [
        (
            Start("r"),
            "START RequestId: r Version: $LATEST",
            "platform.start",
            {"requestId": "r", "version": "$LATEST"},
        ),
        (End("r"), "END RequestId: r", "platform.runtimeDone", {"requestId": "r", "status": "success"}),
        (
            REPORT,
            "REPORT RequestId: r\tDuration: 1.50 ms\tBilled Duration: 252 ms\tMemory Size: 128 MB"
            "\tMax Memory Used: 20 MB\tInit Duration: 250.00 ms",
            "platform.report",
            {
                "requestId": "r",
                "metrics": {
                    "durationMs": 1.5,
                    "billedDurationMs": 252,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 20,
                    "initDurationMs": 250,
                },
                "status": "success",
            },
        ),
        (
            FAILED,
            "REPORT RequestId: r\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB"
            "\tStatus: error\tError Type: Runtime.OutOfMemory",
            "platform.report",
            {
                "requestId": "r",
                "metrics": {"durationMs": 3000, "billedDurationMs": 3000, "memorySizeMB": 128},
                "status": "error",
                "errorType": "Runtime.OutOfMemory",
            },
        ),
        (
            InitReport(duration=10.00917, phase="init", status="timeout"),
            "INIT_REPORT Init Duration: 10009.17 ms\tPhase: init\tStatus: timeout",
            "platform.initReport",
            {
                "initializationType": "on-demand",
                "phase": "init",
                "status": "timeout",
                "metrics": {"durationMs": 10009.17},
            },
        ),
    ],
)
def test_a_line_of_the_platform(line: Line, text: str, type_: str, record: dict[str, object]) -> None:
    assert written(line, "Text") == text
    said = json.loads(written(line, "JSON", NOW))
    assert said == {"time": "2026-01-02T03:04:05.678Z", "type": type_, "record": record}


def test_a_chain_is_counted_by_the_function_that_it_is_of() -> None:
    header = trace.first("arn:f")
    assert trace.count(header) == 0
    second = trace.following(header, "arn:f")
    assert (trace.count(second), trace.count(trace.following(second, "arn:f"))) == (1, 2)
    assert second.split(";")[:3] == header.split(";")[:3]
    assert trace.count(trace.following(second, "arn:g")) == 0


@pytest.mark.parametrize("header", ["", "Root=1-2-3", "Lineage=2:a:1|b:2", "Lineage=1:zzzzzzzz:1"])
def test_a_header_of_others_begins_a_chain(header: str) -> None:
    assert trace.count(header) == 0
    assert trace.count(trace.following(header, "arn:f")) == 0
