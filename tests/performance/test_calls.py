"""How many calls plans and applies make, at a thousand jobs and beside strangers. Counts, never seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lambdactl.deployment import Deployments
from lambdactl.engine import Done
from lambdactl.manifest.job import Agent, Schedule
from lambdactl.reconcile import carry_out, plan
from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.front import Front
from lambdactl.sandbox.layers import Record
from lambdactl.scope import Scope
from lambdactl.site import Site
from lambdactl.wanted import wanted
from tests.support.cloud import SITE, Cloud, builder, deployments, job, ministack
from tests.support.populate import populate, strangers

COUNT = 1000
FEW = replace(SITE, environment="few", bucket="demo-few-bucket")
IMAGE = "a" * 32
ROLE = "arn:aws:iam::123456789012:role/made-elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """An account with two projects: one of a thousand jobs, one of twenty beside them and others."""

    cloud: Cloud
    many: Deployments
    few: Deployments


@pytest.fixture(scope="module")
def crowded() -> Iterator[Crowded]:
    record = Record()
    with ministack() as upstream, Front(upstream, [record, Fill()]) as front:
        cloud = Cloud(name="ministack", url=front.url, record=record, upstream=upstream)
        yield Crowded(
            cloud=cloud, many=deployed(cloud, SITE, COUNT), few=deployed(cloud, FEW, 20, beside=strangers)
        )


def deployed(cloud: Cloud, site: Site, count: int, beside: object = None) -> Deployments:
    """A project of so many jobs, as an apply leaves it."""
    jobs = deployments(*(job(f"job-{n:04}", secrets={}) for n in range(count)), image=IMAGE, site=site)
    apply(cloud, replace(jobs, jobs=()))
    uri = f"{site.repository_uri}@{builder(cloud, site)(IMAGE)}"
    populate(cloud.upstream, wanted(jobs).values(), {IMAGE: uri})
    if beside is strangers:
        strangers(cloud.upstream, 150)
    return jobs


def apply(cloud: Cloud, wanted: Deployments) -> list[str]:
    """The steps done."""
    aws = cloud.aws()
    events = list(carry_out(aws, wanted, plan(aws, wanted), builder(cloud, wanted.site)))
    return [str(event.step.address) for event in events if isinstance(event, Done)]


def quiet(crowded: Crowded, wanted: Deployments, scope: Scope | None = None) -> dict[str, int]:
    """The calls of a plan that finds nothing to do."""
    crowded.cloud.record.reset()
    assert plan(crowded.cloud.aws(), wanted, scope).steps == ()
    return dict(crowded.cloud.record.calls)


def test_a_quiet_plan_of_a_thousand_jobs(crowded: Crowded) -> None:
    calls = quiet(crowded, crowded.many)
    assert sum(calls.values()) <= 58, calls  # and two of the command: whose credentials, and parameters
    assert not [call for call in calls if call.startswith(("lambda.GetFunction", "iam.GetRole"))]


def test_twenty_jobs_beside_strangers_do_not_read_the_strangers(crowded: Crowded) -> None:
    calls = quiet(crowded, crowded.few)
    assert "lambda.ListFunctions" not in calls
    assert calls["lambda.GetFunction"] == 20
    assert sum(calls.values()) <= 40, calls


def test_a_full_plan_asks_for_each_function_twice_and_no_more(crowded: Crowded) -> None:
    calls = quiet(crowded, crowded.few, Scope(full=True))
    assert calls["lambda.GetFunction"] == calls["lambda.GetFunctionEventInvokeConfig"] == 20


def test_one_changed_prompt_among_a_thousand_is_three_writes(crowded: Crowded) -> None:
    changed = Agent(type="command", command=("true",), prompt="another")
    first = crowded.many.jobs[0]
    definition = {**first.definition, "prompt": changed.prompt}
    one = replace(first, job=replace(first.job, agent=changed), definition=definition)
    crowded.cloud.record.reset()
    steps = apply(crowded.cloud, replace(crowded.many, jobs=(one, *crowded.many.jobs[1:])))
    assert sorted(steps) == ["definition.job-0000", "function.job-0000", "stamp.job-0000"]
    assert len(crowded.cloud.writes()) == 3, crowded.cloud.writes()
    reads = crowded.cloud.record.total - len(crowded.cloud.writes())
    assert reads <= 65, dict(crowded.cloud.record.calls)


def test_a_job_is_created_with_eight_writes(cloud: Cloud) -> None:
    apply(cloud, deployments())
    builder(cloud)(IMAGE)
    wanted = deployments(*(job(f"job-{n}", secrets={}) for n in range(10)), image=IMAGE)
    cloud.record.reset()
    apply(cloud, wanted)
    assert len(cloud.writes()) <= 8 * 10, cloud.writes()


@pytest.mark.parametrize(
    ("changes", "each", "once"),
    [
        # The list shows neither expression nor input, and nothing vouches for them.
        ({"schedule": Schedule(expression="rate(1 hour)")}, {"scheduler.GetSchedule"}, 3),
        # No role of ours carries a stamp: the function is read in full.
        ({"role": ROLE}, {"lambda.GetFunction", "lambda.GetFunctionEventInvokeConfig"}, 0),
    ],
    ids=["schedule", "role"],
)
def test_what_a_quiet_plan_reads_job_by_job(
    cloud: Cloud, changes: dict[str, Any], each: set[str], once: int
) -> None:
    apply(cloud, deployments())
    builder(cloud)(IMAGE)
    calls = []
    for more in ({}, changes):
        wanted = deployments(*(job(f"job-{n}", secrets={}, **more) for n in range(10)), image=IMAGE)
        apply(cloud, wanted)
        cloud.record.reset()
        assert plan(cloud.aws(), wanted).steps == ()
        calls.append(cloud.record.calls.copy())
    more = calls[1] - calls[0]
    assert {call for call, count in more.items() if count == 10} == each
    assert more.total() == 10 * len(each) + once
