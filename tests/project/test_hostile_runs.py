"""A job may write into its run folders what it likes: what reading them back makes of that."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambdactl.errors import RunError, UsageError
from lambdactl.report import runs as report
from lambdactl.runs import LARGEST, Place, Run, Runs, ended, local, new_run_id, read_result
from tests.support.cloud import SITE, Cloud

RUN_ID = "019ad3c1-7a40-7000-8000-0242ac120002"
PLACE = Place(job="triage", prefix="triage/", timeout=600)
GOOD: dict[str, Any] = {
    "runId": "x",
    "job": "x",
    "outcome": "succeeded",
    "reason": "",
    "startedAt": "2026-11-23T10:00:00.000Z",
    "endedAt": "2026-11-23T10:00:12.500Z",
    "usage": {"inputTokens": 1, "outputTokens": 2},
}
Put = Callable[[str, bytes], None]


@pytest.fixture
def put(cloud: Cloud) -> Put:
    client = cloud.client("s3")
    client.create_bucket(Bucket=SITE.bucket)
    return lambda key, body: client.put_object(Bucket=SITE.bucket, Key=key, Body=body) and None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b" " * (LARGEST + 1),
        *(
            json.dumps({**GOOD, **change}).encode()
            for change in (
                {"outcome": 7},
                {"costUsd": "much"},
                {"usage": [1]},
                {"usage": {"inputTokens": "x"}},
                {"agent": "claude"},
                {"notes": 3},
                {"turns": "x"},
                {"startedAt": "yesterday"},
                {"startedAt": "0001-01-01T00:00:00+14:00"},
                {"endedAt": None},
                {"costUsd": float("nan")},
                {"costUsd": 10**400},
            )
        ),
    ],
    ids=lambda content: str(content[:80]),
)
def test_a_result_that_is_none_is_one_unreadable_run_and_no_more(
    cloud: Cloud, put: Put, content: bytes
) -> None:
    bad, good = new_run_id(), new_run_id()
    put(f"triage/{bad}/result.json", content)
    put(f"triage/{good}/result.json", json.dumps(GOOD).encode())
    found = {run.id: run for run in Runs(cloud.aws(), SITE).latest(PLACE, 5)}
    assert (found[bad].state, found[good].state) == ("unreadable", "succeeded")
    assert "not one of ours" in found[bad].reason
    text = report.table(list(found.values())).plain + report.whole(found[bad], ()).plain
    assert text.count(bad) == 3


def test_a_result_cannot_speak_for_another_run_nor_to_the_terminal(cloud: Cloud, put: Put) -> None:
    run_id = new_run_id()
    nasty = {
        **GOOD,
        "runId": "another",
        "job": "another",
        "outcome": "ok\x1b[2J\n019a  fake",
        "reason": "\x1b[1A",
    }
    put(f"triage/{run_id}/result.json", json.dumps(nasty).encode())
    run = Runs(cloud.aws(), SITE).one(PLACE, run_id)
    assert (run.id, run.job) == (run_id, "triage")
    table = report.table([run]).plain
    assert len(table.splitlines()) == 2
    assert "\x1b" not in table + report.one(run).plain + report.whole(run, [("a\x1b[2J\nb", 1)]).plain


@pytest.mark.parametrize(
    "strange",
    [
        {"notes": None},
        {"usage": None},
        {"agent": None},
        {"hardening": None},
        {"legs": [{"costUsd": 10**400, "usage": {"inputTokens": 10**400}}, {"costUsd": 1e999}, None]},
        {"usage": {"inputTokens": 10**400, "outputTokens": True}},
        {"memoryPeakMb": 10**4000},
    ],
)
def test_a_result_that_is_strange_can_be_shown(strange: dict[str, Any]) -> None:
    run = Run(id=RUN_ID, job="triage", folder="s3://b/t/", state="unreadable")
    found = read_result(json.dumps({**GOOD, **strange}).encode(), run)
    for text in (report.table([found]), report.one(found), report.whole(found, ())):
        assert RUN_ID in text.plain
    assert json.loads(report.json_([found]))[0]["id"] == RUN_ID


def test_legs_that_no_run_has_are_not_asked_for(cloud: Cloud, put: Put) -> None:
    run_id = new_run_id()
    put(f"triage/{run_id}/request.json", b"{}")
    for number in range(100, 150):
        put(f"triage/{run_id}/legs/{number}{'9' * 900}/leg.json", b"{}")
    before = cloud.record.total
    run = Runs(cloud.aws(), SITE).one(replace(PLACE, legs=3, timeout=7200), run_id)
    assert run.reason == "leg 1 of at most 3"
    assert cloud.record.total - before < 10


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def of_a_far_time(path: Path) -> None:
    os.utime(path.parent / "request.json", (1 << 60, 1 << 60))


@pytest.mark.parametrize("make", [os.mkfifo, sparse, of_a_far_time])
def test_what_lies_in_place_of_a_result_on_this_machine(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / RUN_ID).mkdir()
    (tmp_path / RUN_ID / "request.json").touch()
    make(tmp_path / RUN_ID / "result.json")
    found = local(tmp_path, RUN_ID)
    assert found
    assert found.state in ("lost", "unreadable")


def test_a_link_in_place_of_a_result_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({**GOOD, "output": "mine"}))
    (tmp_path / RUN_ID).mkdir()
    (tmp_path / RUN_ID / "result.json").symlink_to(tmp_path / "mine.json")
    found = local(tmp_path, RUN_ID)
    assert found
    assert found.state == "lost"


@pytest.mark.parametrize("run_id", ["", "../triage", "x/y", RUN_ID + "\n", RUN_ID.upper() + "/"])
def test_what_is_no_run_id_names_no_object(cloud: Cloud, run_id: str) -> None:
    with pytest.raises(RunError, match="not the id of a run"):
        Runs(cloud.aws(), SITE).find([PLACE], run_id)
    assert cloud.record.total == 0


def test_download_leaves_out_what_no_disk_can_hold(cloud: Cloud, put: Put, tmp_path: Path) -> None:
    run_id = new_run_id()
    folder = f"triage/{run_id}/"
    put(f"{folder}result.json", json.dumps(GOOD).encode())
    for name in ("artifacts/", "a", "a/b", "//etc/x", "c/./d", f"{'x' * 256}/y", "good/file"):
        put(folder + name, b"x")
    reader = Runs(cloud.aws(), SITE)
    target = tmp_path / "new"
    written = {p.relative_to(target).as_posix() for p in reader.download(reader.one(PLACE, run_id), target)}
    assert written == {"result.json", "a", "good/file"}
    assert {p.name for p in tmp_path.iterdir()} == {"new"}


def test_download_writes_over_nothing(cloud: Cloud, put: Put, tmp_path: Path) -> None:
    """A run folder can hold .git/config, and that would be a program of the user's next git command."""
    run_id = new_run_id()
    put(f"triage/{run_id}/result.json", json.dumps(GOOD).encode())
    put(f"triage/{run_id}/.git/config", b"[core]\nfsmonitor = evil\n")
    (tmp_path / ".git").mkdir()
    reader = Runs(cloud.aws(), SITE)
    with pytest.raises(UsageError, match="not an empty folder"):
        list(reader.download(reader.one(PLACE, run_id), tmp_path))
    assert list((tmp_path / ".git").iterdir()) == []


def test_structured_output_is_shown_in_place_of_the_same_text() -> None:
    result = {**GOOD, "output": '{"a":"x"}', "structuredOutput": {"a": "\x1b[31m"}}
    shown = report.whole(ended(result, "folder"), ()).plain
    assert '"a": "\\u001b[31m"' in shown
    assert '{"a":"x"}' not in shown
