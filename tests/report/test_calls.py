"""A plan as calls: nothing of what the plan says is hidden, and what is waited for stands between them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdactl.engine import Plan, make_plan
from lambdactl.report import calls
from lambdactl.wanted import wanted
from tests.engine.world import Thing, world
from tests.support.cloud import deployments, job

REPOSITORY = "registry.example/demo"
NEW = make_plan({}, wanted(deployments(job())))
CHANGED = make_plan(wanted(deployments(job())), wanted(deployments(job(timeout=700))))


def texts(plan: Plan) -> list[str]:
    return calls.text(plan, REPOSITORY).splitlines()


def done(plan: Plan) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(calls.json_(plan, REPOSITORY))["calls"]
    return found


def test_what_an_update_waits_for_stands_before_and_after_its_call() -> None:
    lines = [line for line in texts(CHANGED) if line.startswith(("wait", "lambda"))]
    assert [line.split(" {")[0] for line in lines] == [
        "wait: lambda GetFunction",
        "lambda UpdateFunctionConfiguration",
        "wait: lambda GetFunction",
    ]
    until = "until Configuration.State, Configuration.LastUpdateStatus is no longer InProgress or Pending"
    assert lines[0].endswith(until)


@pytest.mark.parametrize("plan", [NEW, CHANGED])
def test_json_has_the_same_in_the_same_order(plan: Plan) -> None:
    lines = [line for line in texts(plan) if not line.startswith("#")]
    assert len(lines) == len(done(plan))
    for line, each in zip(lines, done(plan), strict=True):
        begin = {
            "call": f"{each.get('service')} {each.get('operation')} ",
            "build": "build",
            "wait": "wait: ",
        }
        assert line.startswith(begin[each["do"]])
    assert {each["address"].partition(".")[0] for each in done(plan)} >= {"function", "stamp"}


def test_the_one_value_that_is_known_late_says_so_in_json() -> None:
    (create,) = (each for each in done(NEW) if each.get("operation") == "CreateFunction")
    assert create["parameters"]["Code"]["ImageUri"].startswith(f"{REPOSITORY}@<digest of ")


STRANGE = make_plan(
    world(
        Thing(name="a", mark="none"),
        Thing(name="b"),
        Thing(name="c", blocked="nobody can read it"),
    ),
    world(Thing(name="a", size=1), Thing(name="c", size=1), Thing(name="d")),
)


def test_what_is_refused_blocked_or_wrong_is_said_as_the_plan_says_it() -> None:
    lines = texts(replace(STRANGE, problems=("the account has no room",), notes=("a note",)))
    assert lines[0] == "! the account has no room"
    assert "# create thing.d" in lines
    assert lines[-5:] == [
        "! thing.c: nobody can read it",
        "! thing.a: exists, but does not carry our ownership mark",
        "? thing.b: no longer in git; `apply --prune` would remove it",
        "# a note",
        "# Refused: 1 found in AWS under our names, but not ours.",
    ]


def test_json_says_it_too() -> None:
    document = json.loads(calls.json_(replace(STRANGE, problems=("no room",)), REPOSITORY))
    assert document["fingerprint"] == STRANGE.fingerprint
    assert (document["problems"], document["refused"]) == (["no room"], ["thing.a"])
    assert document["blocked"] == [{"address": "thing.c", "why": "nobody can read it"}]


def test_nothing_to_do_is_said() -> None:
    same = wanted(deployments(job()))
    assert texts(make_plan(same, same)) == ["# Nothing to do: 7 resources are as wanted."]
