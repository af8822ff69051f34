"""What a run's page says of what did not hold."""

from __future__ import annotations

from typing import Any

import pytest

from lambdactl.bundled import schema
from lambdactl.report import runs as report
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


@pytest.mark.parametrize("wrong", [{"hardening": ["x"]}, {"memoryPeakMb": "much"}])
def test_a_job_may_have_written_anything(wrong: dict[str, Any]) -> None:
    import json

    run = Run(id=EXAMPLE["runId"], job="triage", folder="s3://b/t/", state="unreadable")
    assert read_result(json.dumps({**EXAMPLE, **wrong}).encode(), run).state == "unreadable"
