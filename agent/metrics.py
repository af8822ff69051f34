"""One line of numbers a run, in CloudWatch's embedded metric format: Lambda's log becomes metrics. Pure.

The format: AWS's "Specification: Embedded metric format" (CloudWatch user guide). Each combination of a
metric and its dimensions is one that AWS bills, so outcomes divide only the number of runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

NAMESPACE = "lambdactl"
JOB = ("project", "environment", "job")

# Name -> unit, one of CloudWatch's own.
UNITS: Mapping[str, str] = {
    "duration": "Seconds",
    "costUsd": "None",
    "inputTokens": "Count",
    "outputTokens": "Count",
    "cacheReadTokens": "Count",
    "cacheWriteTokens": "Count",
    "turns": "Count",
    "memoryPeakMb": "Megabytes",
}


def line(result: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The line for a run, from its result.json; a number that is not known is left out."""
    known = {
        "duration": result["durationSeconds"],
        "costUsd": result["costUsd"],
        "turns": result["turns"],
        "memoryPeakMb": result["memoryPeakMb"],
        **result["usage"],
    }
    values = {name: known[name] for name in UNITS if known.get(name) is not None}
    metrics = [{"Name": name, "Unit": UNITS[name]} for name in values]
    runs = [{"Name": "runs", "Unit": "Count"}]
    return {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [[*JOB, "outcome"]], "Metrics": runs},
                {"Namespace": NAMESPACE, "Dimensions": [list(JOB)], "Metrics": metrics},
            ],
        },
        **{name: result[name] for name in (*JOB, "outcome", "runId")},
        "runs": 1,
        **values,
    }
