"""Records of applies: written, read back, listed, shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import Draft202012Validator

from lambdactl import history
from lambdactl.author import Author
from lambdactl.bundled import schema
from lambdactl.engine import Done, Event, Failed, Plan, Skipped, Started, make_plan
from lambdactl.errors import AwsError, RunError
from lambdactl.history import Record
from lambdactl.reconcile import carry_out, plan
from lambdactl.report import history as report
from lambdactl.report.plan import told_steps
from lambdactl.runs import is_run_id
from lambdactl.tags import pairs
from lambdactl.wanted import wanted
from tests.support.cloud import SITE, Cloud, builder, deployments, job

ANN = Author(who="ann@laptop", commit="a" * 40 + "-dirty")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PLAN = make_plan({}, wanted(deployments(job(), job("other"))))
SCHEMA = Draft202012Validator(schema("history"), format_checker=Draft202012Validator.FORMAT_CHECKER)


def begun(made: Plan = PLAN, minutes: int = 0) -> Record:
    return history.begun(made, ANN, "apply --prune", NOON + timedelta(minutes=minutes))


def ended(events: Sequence[Event]) -> Record:
    return history.ended(begun(), events, NOON + timedelta(seconds=30))


def all_done() -> list[Event]:
    return [event for step in PLAN.steps for event in (Started(step), Done(step, 0.5))]


def broken() -> list[Event]:
    """The first step failed, all the others are skipped because of it."""
    first, *others = PLAN.steps
    error = AwsError("Denied: \x1b[31mno", code="Denied", call="iam.CreateRole", request_id="r-1")
    return [Started(first), Failed(first, error), *(Skipped(step, first.address) for step in others)]


@pytest.fixture
def bucket(cloud: Cloud) -> Cloud:
    cloud.client("s3").create_bucket(Bucket=SITE.bucket)
    return cloud


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema("history"))


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (begun(), "running"),
        (ended(all_done()), "complete"),
        (ended(broken()), "incomplete"),
        (ended([Skipped(step, None) for step in PLAN.steps]), "interrupted"),
        (ended(all_done()[:3]), "interrupted"),  # ended in the middle of a step
        (history.ended(begun(make_plan({}, {})), []), "complete"),
    ],
)
def test_a_record_keeps_the_schema_and_is_read_back_as_it_was(record: Record, status: str) -> None:
    document = history.dump(record)
    SCHEMA.validate(json.loads(json.dumps(document)))
    assert record.status == status
    assert history.parse(json.dumps(document).encode(), record.id) == record


def test_a_record_says_what_became_of_each_step() -> None:
    record = ended(broken())
    first, second = record.steps[0], record.steps[1]
    assert (first.result, first.seconds) == ("failed", None)
    assert first.error.startswith("iam.CreateRole (r-1): Denied")
    assert (second.result, second.because) == ("skipped", str(PLAN.steps[0].address))
    assert [step.result for step in record.steps].count("skipped") == len(PLAN.steps) - 1
    assert [step.address for step in record.steps] == [str(step.address) for step in PLAN.steps]
    assert {step.seconds for step in ended(all_done()).steps} == {0.5}


def test_a_real_apply_from_its_start_to_its_end(bucket: Cloud) -> None:
    aws, jobs = bucket.aws(), deployments(job())
    tags = {"TagSet": pairs(SITE.owner_tags)}
    bucket.client("s3").put_bucket_tagging(Bucket=SITE.bucket, Tagging=tags)
    made = plan(aws, jobs)
    record = begun(made)
    history.write(aws, SITE, record)
    assert history.one(aws, SITE, record.id) == record
    after = history.ended(record, carry_out(aws, jobs, made, builder(bucket)))
    history.write(aws, SITE, after)
    assert history.latest(aws, SITE, 5) == [after]
    assert (after.status, {step.result for step in after.steps}) == ("complete", {"done"})
    counts = f"{len(told_steps(made))}/0/0"  # as the plan said, and apply
    assert counts in report.table([after]).plain


def test_the_latest_come_first_and_what_is_not_ours_harms_nothing(bucket: Cloud) -> None:
    aws, client = bucket.aws(), bucket.client("s3")
    records = [begun(minutes=minutes) for minutes in (0, 2, 1)]
    for record in records:
        history.write(aws, SITE, record)
    for name in ("notes.txt", "readme.json", "zzz/x.json"):
        client.put_object(Bucket=SITE.bucket, Key=f"{SITE.history_prefix}{name}", Body=b"{}")
    newest = begun(minutes=9)
    client.put_object(Bucket=SITE.bucket, Key=f"{SITE.history_prefix}{newest.id}.json", Body=b"[1")
    found = history.latest(aws, SITE, 3)
    assert [each.id for each in found] == [newest.id, records[1].id, records[2].id]
    assert [each.status for each in found] == ["unreadable", "running", "running"]
    assert "unreadable" in str(report.table(found))
    assert "unreadable" in str(report.whole(found[0]))


def test_only_what_is_listed_is_fetched(bucket: Cloud) -> None:
    aws = bucket.aws()
    for minutes in range(6):
        history.write(aws, SITE, begun(minutes=minutes))
    bucket.record.reset()
    assert len(history.latest(aws, SITE, 2)) == 2
    assert bucket.record.calls == {"s3.ListObjectsV2": 1, "s3.GetObject": 2}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"status": "fine"},
        {"who": 7},
        {"steps": None},
        {"steps": [{}]},
        {"steps": [{**history.dump(begun())["steps"][0], "seconds": [1]}]},
        {"started": "noon"},
    ],
)
def test_a_broken_record_is_unreadable(change: dict[str, object]) -> None:
    record = begun()
    document = json.dumps({**history.dump(record), **change}).encode()
    assert history.parse(document, record.id) == Record(id=record.id, status="unreadable")


def test_without_a_bucket_there_is_no_history(cloud: Cloud) -> None:
    assert history.latest(cloud.aws(), SITE, 5) == []


@pytest.mark.parametrize("record_id", ["../jobs/x", "019ac1b2-5a3c-7def-8a12-3456789abcde"])
def test_a_record_that_is_not_there_is_an_error_with_the_way_out(bucket: Cloud, record_id: str) -> None:
    with pytest.raises(RunError, match="lambdactl history"):
        history.one(bucket.aws(), SITE, record_id)


def test_ids_sort_by_time() -> None:
    ids = [begun(minutes=minutes).id for minutes in range(5)]
    assert ids == sorted(ids)
    assert all(map(is_run_id, ids))


def test_the_table_and_the_page() -> None:
    record = ended(broken())
    head, row = str(report.table([record])).splitlines()
    assert head.split()[:4] == ["APPLY", "STARTED", "(UTC)", "WHO"]
    for part in (record.id, "2026-11-25 12:00:00", "ann@laptop", "aaaaaaaaaaaa-dirty", PLAN.fingerprint):
        assert part in row
    assert row.endswith(f"incomplete  0/1/{len(told_steps(PLAN)) - 1}")
    page = str(report.whole(record))
    assert "apply --prune" in page
    assert "iam.CreateRole (r-1): Denied" in page
    assert "\x1b" not in page
    assert f"{PLAN.steps[0].address} failed" in page
    assert "apply was stopped" in str(report.whole(ended([Skipped(step, None) for step in PLAN.steps])))
    assert str(report.table([])) == "no applies yet"


def test_a_job_s_bookkeeping_counts_by_itself_or_where_it_failed() -> None:
    stamped = [step for step in PLAN.steps if step.bookkeeping]
    assert stamped, "a plan that creates jobs stamps them"
    told = len(told_steps(PLAN))
    assert f"{told}/0/0" in str(report.table([ended(all_done())]))
    error = AwsError("no", code="no", call="lambda.TagResource")
    failed = [*(event for event in all_done() if event.step != stamped[0]), Failed(stamped[0], error)]
    assert f"{told}/1/0" in str(report.table([ended(failed)]))
    alone = history.begun(replace(PLAN, steps=tuple(stamped)), ANN, "apply", NOON)
    done = history.ended(alone, [Done(step, 0.5) for step in stamped], NOON)
    assert f"{len(stamped)}/0/0" in str(report.table([done]))


def test_json_is_the_documents_themselves() -> None:
    record = ended(broken())
    assert json.loads(report.json_([record])) == [json.loads(json.dumps(history.dump(record)))]
