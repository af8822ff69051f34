"""A revision is everywhere, moves twice with an update, and guards it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.strict.conftest import Behind, Bench, refused
from tests.support.strict import VirtualClock
from tests.support.strict.revisions import MISMATCH, Revisions
from tests.support.strict.states import States


@pytest.fixture
def bench(behind: Behind) -> Bench:
    clock = VirtualClock()
    states = States(clock=clock.now)
    return behind(Revisions(states.settled), states, clock=clock)


def revision(bench: Bench) -> str:
    return str(bench.client("lambda").get_function(FunctionName="f")["Configuration"]["RevisionId"])


def test_every_answer_tells_the_same_revision(bench: Bench) -> None:
    made, client = bench.function(), bench.client("lambda")
    (listed,) = client.list_functions()["Functions"]
    read = client.get_function_configuration(FunctionName="f")
    assert {made["RevisionId"], listed["RevisionId"], read["RevisionId"]} == {revision(bench)}


def test_it_changes_with_an_update_and_when_that_settles(bench: Bench) -> None:
    client = bench.client("lambda")
    seen = [bench.function()["RevisionId"]]
    for _ in range(2):
        bench.clock.sleep(10)
        seen.append(revision(bench))
        seen.append(client.update_function_configuration(FunctionName="f", Timeout=5)["RevisionId"])
    assert len(set(seen)) == len(seen) == 5


def test_an_old_revision_is_refused_and_changes_nothing(bench: Bench) -> None:
    client, old = bench.client("lambda"), bench.function()["RevisionId"]
    bench.clock.sleep(10)
    changes: list[tuple[Any, dict[str, Any]]] = [
        (client.update_function_configuration, {"Timeout": 5}),
        (client.update_function_code, {"ImageUri": "other"}),
        (client.publish_version, {}),
    ]
    for change, parameters in changes:
        answer = refused(change, FunctionName="f", RevisionId=old, **parameters)
        assert answer == (412, "PreconditionFailedException", MISMATCH)
    assert client.get_function_configuration(FunctionName="f")["Timeout"] == 3
    client.update_function_configuration(FunctionName="f", RevisionId=revision(bench), Timeout=5)
    assert client.get_function_configuration(FunctionName="f")["Timeout"] == 5


def test_a_function_made_again_has_another_revision(bench: Bench) -> None:
    bench.function()
    bench.clock.sleep(10)
    before = revision(bench)
    bench.client("lambda").delete_function(FunctionName="f")
    bench.function()
    bench.clock.sleep(10)
    assert revision(bench) != before
