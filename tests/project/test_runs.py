"""Runs as their folders tell them."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdactl.errors import RunError, UsageError
from lambdactl.manifest import Jobs
from lambdactl.project_runs import ProjectRuns
from lambdactl.runs import Place, Runs, event, is_run_id, new_run_id
from tests.support.cloud import SITE, Cloud

PLACE = Place(job="triage", prefix="triage/", timeout=600)


def result(run_id: str, outcome: str = "succeeded") -> dict:
    return {
        "version": 1,
        "runId": run_id,
        "job": "triage",
        "outcome": outcome,
        "reason": "",
        "startedAt": "2026-11-23T10:00:00.000Z",
        "endedAt": "2026-11-23T10:00:12.500Z",
        "costUsd": 0.25,
    }


@pytest.fixture
def bucket(cloud: Cloud):  # type: ignore[no-untyped-def]
    client = cloud.client("s3")
    client.create_bucket(Bucket=SITE.bucket)

    def put(key: str, document: object) -> None:
        client.put_object(Bucket=SITE.bucket, Key=key, Body=json.dumps(document).encode())

    return put


def runs(cloud: Cloud, later: timedelta = timedelta()) -> Runs:
    return Runs(cloud.aws(), SITE, now=lambda: datetime.now(UTC) + later)


def test_a_run_is_queued_then_running_then_ended(cloud: Cloud, bucket) -> None:  # type: ignore[no-untyped-def]
    run_id = new_run_id()
    assert runs(cloud).one(PLACE, run_id).state == "queued"
    bucket(f"triage/{run_id}/request.json", {})
    assert runs(cloud).one(PLACE, run_id).state == "running"
    bucket(f"triage/{run_id}/result.json", result(run_id, "timed_out"))
    run = runs(cloud).one(PLACE, run_id)
    assert (run.state, run.cost_usd, run.ended - run.started) == ("timed_out", 0.25, timedelta(seconds=12.5))  # type: ignore[operator]


def test_a_run_that_began_and_wrote_no_result_in_time_is_lost(cloud: Cloud, bucket) -> None:  # type: ignore[no-untyped-def]
    run_id = new_run_id()
    bucket(f"triage/{run_id}/request.json", {})
    assert runs(cloud, timedelta(seconds=600)).one(PLACE, run_id).state == "running"
    run = runs(cloud, timedelta(seconds=730)).one(PLACE, run_id)
    assert run.state == "lost"
    assert "wrote no result" in run.reason


def test_a_run_of_several_legs_is_lost_only_after_its_latest_legs_limit(cloud: Cloud, bucket) -> None:  # type: ignore[no-untyped-def]
    run_id, place = new_run_id(), replace(PLACE, timeout=7200, legs=9, invocation=900, max_event_age=3600)
    folder = f"triage/{run_id}"

    def seen(after: float) -> tuple[str, str]:
        run = runs(cloud, timedelta(seconds=after)).one(place, run_id)
        return run.state, run.reason.partition(";")[0]

    bucket(f"{folder}/request.json", {})
    assert seen(900) == ("running", "leg 1 of at most 9")
    assert seen(1030) == ("lost", "leg 1 of at most 9")
    bucket(f"{folder}/legs/1/leg.json", {"leg": 1, "ended": "continued"})
    assert seen(3600) == ("running", "leg 1 is over, leg 2 waits to start")
    assert seen(3730)[0] == "lost"
    bucket(f"{folder}/legs/2/leg.json", {"leg": 2})
    bucket(f"{folder}/legs/10/leg.json", {})  # none of ours
    bucket(f"{folder}/legs/x/leg.json", {})
    assert seen(900) == ("running", "leg 2 of at most 9")
    assert seen(1030) == ("lost", "leg 2 of at most 9")


def test_the_latest_runs_come_first_and_foreign_folders_are_not_runs(cloud: Cloud, bucket) -> None:  # type: ignore[no-untyped-def]
    ids = [new_run_id(lambda at=at: at) for at in (1000.0, 3000.0, 2000.0)]  # type: ignore[misc]
    for each in ids:
        bucket(f"triage/{each}/result.json", result(each))
    bucket("triage/notes/readme.txt", {})
    bucket("triage/loose.txt", {})
    found = runs(cloud).latest(PLACE, 2)
    assert [run.id for run in found] == [ids[1], ids[2]]


def test_no_runs_is_an_empty_list(cloud: Cloud, bucket) -> None:  # type: ignore[no-untyped-def]
    assert runs(cloud).latest(PLACE, 5) == []


def test_waiting_ends_with_the_outcome_or_after_the_patience(cloud: Cloud, bucket) -> None:  # type: ignore[no-untyped-def]
    run_id = new_run_id()
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] > 20:
            bucket(f"triage/{run_id}/result.json", result(run_id))

    read = runs(cloud)
    early = read.wait(PLACE, run_id, patience=10, sleep=sleep, clock=lambda: clock[0])
    assert (early.state, clock[0]) == ("queued", 10)
    assert read.wait(PLACE, run_id, patience=60, sleep=sleep, clock=lambda: clock[0]).state == "succeeded"


def test_download_writes_the_folder_and_never_outside_of_it(cloud: Cloud, bucket, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run_id = new_run_id()
    bucket(f"triage/{run_id}/result.json", result(run_id))
    bucket(f"triage/{run_id}/artifacts/a/b.txt", "x")
    bucket(f"triage/{run_id}/checkpoint/state", "never shown")
    read = runs(cloud)
    run = read.one(PLACE, run_id)
    target = tmp_path / "run"
    written = sorted(path.relative_to(target).as_posix() for path in read.download(run, target))
    assert written == ["artifacts/a/b.txt", "result.json"]
    assert read.find([PLACE], run_id) == run
    with pytest.raises(RunError, match="there is no run"):
        read.find([PLACE], new_run_id())


def test_those_under_a_prefix_may_have_legs(cloud: Cloud, bucket, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Of a job that is not known any more: as long as any run may take."""
    run_id = new_run_id()
    bucket(f"gone/{run_id}/request.json", {})
    bucket(f"gone/{run_id}/legs/2/leg.json", {"leg": 2, "ended": "continued"})
    below = ProjectRuns(Jobs(()), tmp_path, lambda: (cloud.aws(), SITE)).below("gone")
    run = below.find(run_id)
    assert (run.job, run.state, run.reason) == ("gone", "running", "leg 2 is over, leg 3 waits to start")
    assert below.cancel(run_id).state == "running"
    for wrong in ("", "/", "../gone", "go*ne", ".lambdactl/x"):
        with pytest.raises(UsageError):
            below.below(wrong)


def test_an_event_names_its_run_and_carries_the_input() -> None:
    assert json.loads(event("id", {"a": 1})) == {"version": 1, "runId": "id", "input": {"a": 1}}
    assert json.loads(event("id")) == {"version": 1, "runId": "id"}


@given(st.floats(0, 2**47 / 1000), st.floats(0, 2**47 / 1000))
def test_run_ids_are_uuids_of_version_7_and_sort_by_time(one: float, two: float) -> None:
    import uuid

    first, second = new_run_id(lambda: one), new_run_id(lambda: two)
    assert is_run_id(first)
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    if int(one * 1000) < int(two * 1000):
        assert first < second
    assert abs(int(new_run_id()[:8] + new_run_id()[9:13], 16) / 1000 - time.time()) < 60
