"""What was applied last, and who made a difference since."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdactl import applied, history
from lambdactl.applied import Applied, bases, merge, origin
from lambdactl.author import Author
from lambdactl.aws import Reader
from lambdactl.engine import Address, Choice, Done, Failed, Plan, Resource, Skipped, make_plan
from lambdactl.engine.resource import deltas, hash_of
from lambdactl.errors import AwsError
from lambdactl.history import Record
from lambdactl.kinds import Look
from lambdactl.reconcile import carry_out, plan, read
from lambdactl.sandbox.front import Front, Next, Request, Response
from lambdactl.sandbox.identify import identify
from lambdactl.wanted import wanted
from tests.support.cloud import SITE, Cloud, builder, deployments, job

FUNCTION = Address("function", "triage")
ANN = Author(who="ann@laptop")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
FIRST = "019ac1b2-5a3c-7def-8a12-3456789abcde"


def world(**changes: Any) -> dict[Address, Resource]:
    return wanted(deployments(job(**changes)))


def after(made: Plan, old: Applied | None = None, apply: str = FIRST) -> Applied:
    return merge(old, apply, made, {step.address for step in made.steps})


# -- hashes -----------------------------------------------------------------------------------------


def test_every_kind_has_a_hash_and_equal_resources_have_equal_ones() -> None:
    one, two = world(), world()
    for address, resource in one.items():
        assert len(hash_of(resource)) == 16
        assert hash_of(resource) == hash_of(two[address])
    assert len({hash_of(resource) for resource in one.values()}) == len(one)
    assert hash_of(None) == ""


def test_a_hash_changes_just_when_a_plan_would_see_a_difference() -> None:
    before, later = world(), world(timeout=61)
    for address, resource in before.items():
        assert (hash_of(resource) != hash_of(later[address])) == bool(deltas(resource, later[address]))
    bucket = before[Address("bucket", SITE.bucket)]
    assert hash_of(replace(bucket, others={"team": "x"})) == hash_of(bucket)  # type: ignore[call-arg]


def test_what_is_read_back_after_an_apply_has_the_hash_that_was_wanted(cloud: Cloud) -> None:
    aws, jobs = cloud.aws(), deployments(job())
    list(carry_out(aws, jobs, plan(aws, jobs), builder(cloud)))
    want = wanted(jobs)
    found = read(Look(aws=Reader(aws), deployments=jobs, wanted=want))
    assert {a: hash_of(found[a]) for a in want} == {a: hash_of(want[a]) for a in want}


# -- merging ----------------------------------------------------------------------------------------


def test_what_was_done_and_what_was_so_already_is_kept() -> None:
    want = world()
    found = {address: each for address, each in want.items() if address != FUNCTION}
    made = make_plan(found, want)
    assert [step.address for step in made.steps] == [FUNCTION]
    assert after(made).resources == {str(address): hash_of(each) for address, each in want.items()}


def test_what_was_not_done_keeps_what_it_was() -> None:
    old = after(make_plan({}, world()))
    want = world(timeout=61)
    made = make_plan(world(), want)
    new = merge(old, "x", made, ())
    assert new.resources == old.resources
    assert new.apply == "x"


def test_what_was_deleted_is_dropped_and_what_was_to_be_stays() -> None:
    old = after(make_plan({}, world()))
    made = make_plan(world(), {}, Choice(remove=True))
    assert str(FUNCTION) in old.resources
    new = merge(old, "x", made, {FUNCTION})
    assert old.resources.keys() - new.resources.keys() == {str(FUNCTION)}


def test_what_is_refused_is_not_ours_to_remember() -> None:
    want = world()
    found = {FUNCTION: replace(want[FUNCTION], mark="none")}
    made = make_plan(found, want)
    assert made.refused == (FUNCTION,)
    assert str(FUNCTION) not in after(made).resources


# -- whose difference it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "found", "want", "who"),
    [
        ("a", "b", "a", "aws"),
        ("a", "a", "b", "git"),
        ("a", "b", "c", "both"),
        ("a", "", "a", "aws"),  # removed by hand
        ("a", "a", "", "git"),  # left git
        (None, "", "a", "git"),  # a new job
        (None, "b", "a", "unknown"),  # never applied by us
    ],
)
def test_who_changed_it(base: str | None, found: str, want: str, who: str) -> None:
    known = Applied(resources={"function.triage": base} if base else {}, apply=FIRST)
    assert origin("function.triage", bases(known, []), found, want) == who


@pytest.mark.parametrize(("found", "want"), [("a", "b"), ("", "b"), ("a", "")])
def test_without_a_snapshot_nothing_is_known(found: str, want: str) -> None:
    assert origin("function.triage", bases(None, []), found, want) == "unknown"


def record(made: Plan, minutes: int = 0) -> Record:
    return history.begun(made, ANN, "apply", NOON + timedelta(minutes=minutes))


def test_a_killed_apply_may_have_come_to_either_end() -> None:
    old, new, newer = world(), world(timeout=61), world(timeout=62)
    first = record(make_plan({}, old))
    snapshot = after(make_plan({}, old), apply=first.id)
    killed = record(make_plan(old, new), minutes=5)
    known = bases(snapshot, [killed, first])
    name = str(FUNCTION)
    was, made, later = (hash_of(each[FUNCTION]) for each in (old, new, newer))
    assert origin(name, known, was, made) == "git"  # it did not come that far
    assert origin(name, known, made, later) == "git"  # it did, and git went on
    assert origin(name, known, "half", made) == "unknown"
    other = str(Address("log_group", "triage"))  # the killed apply had no business there
    assert origin(other, known, "changed", hash_of(old[Address("log_group", "triage")])) == "aws"


def test_an_apply_that_was_killed_before_the_snapshot_is_over() -> None:
    old, new = world(), world(timeout=61)
    killed = record(make_plan({}, old))
    snapshot = after(make_plan({}, new), apply=record(make_plan({}, new), minutes=5).id)
    assert origin(str(FUNCTION), bases(snapshot, [killed]), "changed", hash_of(new[FUNCTION])) == "aws"


def test_a_step_that_failed_leaves_it_open_and_a_skipped_one_does_not() -> None:
    old, new = world(), world(timeout=61)
    made = make_plan(old, new)
    snapshot = after(make_plan({}, old))
    now = hash_of(new[FUNCTION])
    step = next(step for step in made.steps if step.address == FUNCTION)
    failed = history.ended(record(made), [Failed(step, ValueError("no"))])
    assert origin(str(FUNCTION), bases(snapshot, [failed]), "half", now) == "unknown"
    skipped = history.ended(record(made), [Skipped(step, None)])
    assert origin(str(FUNCTION), bases(snapshot, [skipped]), "changed", now) == "both"
    done = history.ended(record(made), [Done(step, 1.0)])
    assert not bases(snapshot, [done]).known[str(FUNCTION)].hashes >= {now}


# -- in the bucket ----------------------------------------------------------------------------------


@pytest.fixture
def bucket(cloud: Cloud) -> Cloud:
    cloud.client("s3").create_bucket(Bucket=SITE.bucket)
    return cloud


def test_it_is_written_merged_and_read_back(bucket: Cloud) -> None:
    aws = bucket.aws()
    assert applied.load(aws, SITE) is None
    want = world()
    applied.save(aws, SITE, lambda old: after(make_plan({}, want), old))
    applied.save(aws, SITE, lambda old: replace(old or Applied(), apply="second"))
    found = applied.load(aws, SITE)
    assert found == Applied(resources={str(a): hash_of(each) for a, each in want.items()}, apply="second")


def test_another_write_between_reading_and_writing_is_not_lost(bucket: Cloud) -> None:
    aws = bucket.aws()
    between = iter([{"a": "1"}, {"a": "1", "b": "2"}])

    def change(old: Applied | None) -> Applied:
        others = next(between, None)
        if others:
            document = applied.dump(Applied(resources=others))
            bucket.client("s3").put_object(Bucket=SITE.bucket, Key=SITE.applied_key, Body=document)
        return Applied(resources={**(old.resources if old else {}), "c": "3"}, apply="mine")

    applied.save(aws, SITE, change)
    assert applied.load(aws, SITE) == Applied(resources={"a": "1", "b": "2", "c": "3"}, apply="mine")


def test_a_lost_answer_to_the_write_is_made_good(bucket: Cloud) -> None:
    left = [1]

    def lost(request: Request, following: Next) -> Response:
        answer = following(request)
        if identify(request) == ("s3", "PutObject") and left[0]:
            left[0] -= 1
            return Response(status=500)
        return answer

    with Front(bucket.url, [lost]) as front:
        aws = replace(bucket, url=front.url).aws()
        applied.save(aws, SITE, lambda old: Applied(apply="mine"))
    assert applied.load(bucket.aws(), SITE) == Applied(apply="mine")


def test_a_broken_snapshot_is_none_and_is_replaced(bucket: Cloud) -> None:
    for content in (
        b"",
        b"[]",
        b"{}",
        json.dumps({"version": 1, "apply": "", "resources": {"a": 1}}).encode(),
    ):
        bucket.client("s3").put_object(Bucket=SITE.bucket, Key=SITE.applied_key, Body=content)
        assert applied.load(bucket.aws(), SITE) is None
    applied.save(bucket.aws(), SITE, lambda old: Applied(apply="new" if old is None else "old"))
    assert applied.load(bucket.aws(), SITE) == Applied(apply="new")


def test_without_a_bucket_it_cannot_be_written_and_that_is_said(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="NoSuchBucket"):
        applied.save(cloud.aws(), SITE, lambda old: Applied())
