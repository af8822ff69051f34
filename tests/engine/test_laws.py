"""The engine's laws, for any two worlds."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdactl.engine import Choice, Done, Failed, Skipped, Started, apply, make_plan
from tests.engine.world import Cloud, Thing, world

NAMES = "abcdef"


@st.composite
def worlds(draw: st.DrawFn) -> dict:
    """Things that use only things with an earlier letter: never a circle."""
    things: list[Thing] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        earlier = [thing.name for thing in things if thing.name < name]
        uses = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        size, shape = draw(st.integers(0, 2)), draw(st.sampled_from(["round", "flat"]))
        whole = draw(st.sampled_from(["", *NAMES]))
        things.append(Thing(name=name, size=size, shape=shape, uses=tuple(uses), whole=whole))
    return world(*things)


def safe(found: dict, wanted: dict) -> bool:
    """Replacing what others use dangles whatever the order: no kind of ours is both."""
    plan = make_plan(found, wanted, Choice(remove=True))
    replaced = {step.address for step in plan.steps if step.action == "replace"}
    return not any(replaced & set(thing.needs()) for thing in [*found.values(), *wanted.values()])


@given(worlds(), worlds())
def test_apply_reaches_the_wanted_world_and_nothing_ever_dangles(found: dict, wanted: dict) -> None:
    if not safe(found, wanted):
        return
    cloud = Cloud(found)
    events = list(apply(make_plan(found, wanted, Choice(remove=True)), cloud.perform))
    assert [event for event in events if isinstance(event, Failed | Skipped)] == []
    assert make_plan(cloud.world(), wanted, Choice(remove=True)).steps == ()


@given(worlds(), worlds(), st.randoms())
def test_the_order_of_the_input_does_not_matter(found: dict, wanted: dict, random) -> None:  # type: ignore[no-untyped-def]
    def shuffled(some: dict) -> dict:
        items = list(some.items())
        random.shuffle(items)
        return dict(items)

    plan = make_plan(found, wanted, Choice(remove=True))
    again = make_plan(shuffled(found), shuffled(wanted), Choice(remove=True))
    assert (again.steps, again.fingerprint) == (plan.steps, plan.fingerprint)


@given(worlds(), st.sampled_from(NAMES))
def test_a_failure_skips_exactly_what_depends_on_it_and_the_next_apply_heals(
    wanted: dict, broken: str
) -> None:
    cloud = Cloud({})
    cloud.broken = frozenset({broken})
    events = list(apply(make_plan({}, wanted), cloud.perform))
    below = {broken} if any(thing.name == broken for thing in wanted.values()) else set()
    for thing in sorted(wanted.values(), key=lambda thing: thing.name):
        if below & set(thing.uses):
            below.add(thing.name)
    undone = {event.step.address.name for event in events if isinstance(event, Failed | Skipped)}
    assert undone == below
    cloud.broken = frozenset()
    list(apply(make_plan(cloud.world(), wanted), cloud.perform))
    assert make_plan(cloud.world(), wanted).steps == ()


def test_stop_starts_nothing_more_and_lets_what_runs_finish() -> None:
    wanted = world(Thing(name="a"), Thing(name="b", uses=("a",)), Thing(name="c", uses=("b",)))
    cloud = Cloud({})
    stopped = []

    def perform(effect) -> None:  # type: ignore[no-untyped-def]
        cloud.perform(effect)
        stopped.append(True)

    events = list(apply(make_plan({}, wanted), perform, stop=lambda: bool(stopped)))
    assert [type(event) for event in events] == [Started, Done, Skipped, Skipped]
    assert cloud.calls == ["Create a"]


def test_stop_holds_for_what_is_ready_and_waits_for_a_worker() -> None:
    wanted = world(*(Thing(name=name) for name in NAMES))
    cloud = Cloud({})

    def perform(effect) -> None:  # type: ignore[no-untyped-def]
        time.sleep(0.02)  # long enough for all others to be started, if they were
        cloud.perform(effect)

    events = list(apply(make_plan({}, wanted), perform, workers=1, stop=lambda: bool(cloud.calls)))
    assert [type(event) for event in events] == [Started, Done, *[Skipped] * (len(NAMES) - 1)]
    assert cloud.calls == ["Create a"]


def test_a_job_that_was_begun_goes_before_the_next_one() -> None:
    wanted = world(
        Thing(name="a"), Thing(name="b"), Thing(name="c", uses=("a",)), Thing(name="d", uses=("c",))
    )
    cloud = Cloud({})
    list(apply(make_plan({}, wanted), cloud.perform, workers=1))
    assert cloud.calls == ["Create a", "Create c", "Create d", "Create b"]


def test_what_is_there_already_holds_nothing_up() -> None:
    there = Thing(name="z")
    wanted = world(there, Thing(name="a", uses=("z",)), Thing(name="b"), Thing(name="c"))
    cloud = Cloud(world(there))
    list(apply(make_plan(world(there), wanted), cloud.perform, workers=1))
    assert cloud.calls[0] == "Create a"


def test_told_twice_what_runs_is_abandoned() -> None:
    """A worker may wait for something that never comes."""
    release, reached = threading.Event(), threading.Event()

    def perform(effect) -> None:  # type: ignore[no-untyped-def]
        reached.set()
        release.wait(60)

    events = apply(make_plan({}, world(Thing(name="a"))), perform)
    assert isinstance(next(events), Started)
    main = threading.main_thread().ident
    assert main

    # To this thread, as a terminal's would come: elsewhere it would not end the waiting.
    def interrupt() -> None:
        reached.wait(60)
        time.sleep(0.2)  # for this thread to wait as well
        signal.pthread_kill(main, signal.SIGINT)

    def wait() -> None:
        threading.Thread(target=interrupt).start()
        next(events)

    try:
        with pytest.raises(KeyboardInterrupt):
            wait()
        assert reached.is_set()
        assert not release.is_set()
    finally:
        release.set()


def test_what_is_not_ours_is_refused_and_never_removed() -> None:
    found = world(Thing(name="a", size=1, mark="none"), Thing(name="b", mark="theirs"))
    plan = make_plan(found, world(Thing(name="a", size=2)), Choice(remove=True))
    assert [str(address) for address in plan.refused] == ["thing.a"]
    assert plan.steps == ()


def test_what_is_no_longer_wanted_stays_until_its_removal_is_asked_for() -> None:
    found = world(Thing(name="a"))
    assert make_plan(found, {}).steps == ()
    assert [str(address) for address in make_plan(found, {}).orphans] == ["thing.a"]
    assert [step.action for step in make_plan(found, {}, Choice(remove=True)).steps] == ["delete"]


def test_a_part_of_what_stays_goes_without_being_asked_to() -> None:
    part = Thing(name="b", uses=("a",), whole="a")
    plan = make_plan(world(Thing(name="a"), part), world(Thing(name="a")))
    assert [(step.action, step.address.name) for step in plan.steps] == [("delete", "b")]
    assert plan.orphans == ()


def test_a_part_stays_with_what_it_is_a_part_of() -> None:
    plan = make_plan(world(Thing(name="a"), Thing(name="b", whole="a")), {})
    assert plan.steps == ()
    assert [address.name for address in plan.orphans] == ["a", "b"]


def test_a_part_stays_while_something_that_stays_needs_it() -> None:
    """Also by way of another part: c stays, so b does, so a does."""
    whole, parts = Thing(name="w"), (Thing(name="a", whole="w"), Thing(name="b", uses=("a",), whole="w"))
    found = world(whole, *parts, Thing(name="c", uses=("b",)))
    plan = make_plan(found, world(whole))
    assert plan.steps == ()
    assert [address.name for address in plan.orphans] == ["a", "b", "c"]
    gone = make_plan(found, world(whole), Choice(remove=True))
    assert [step.address.name for step in gone.steps] == ["c", "b", "a"]


def test_what_something_protected_needs_stays_even_when_removal_is_asked_for() -> None:
    found = world(Thing(name="a"), Thing(name="b", uses=("a",), protected=True), Thing(name="c"))
    plan = make_plan(found, {}, Choice(remove=True))
    assert [step.address.name for step in plan.steps] == ["c"]
    assert [address.name for address in plan.protected] == ["a", "b"]


def test_what_something_needs_that_is_not_chosen_to_go_stays_with_it() -> None:
    found = world(Thing(name="a"), Thing(name="b", uses=("a",)))
    plan = make_plan(found, {}, Choice(remove=True, chosen=lambda address: address.name == "a"))
    assert (plan.steps, plan.left_out) == ((), 2)


def test_a_part_goes_though_its_whole_is_protected() -> None:
    whole = Thing(name="a", protected=True)
    plan = make_plan(world(whole, Thing(name="b", whole="a", protected=True)), world(whole))
    assert [step.address.name for step in plan.steps] == ["b"]


@given(worlds(), worlds())
def test_what_goes_without_being_asked_leaves_nothing_dangling(found: dict, wanted: dict) -> None:
    if not safe(found, wanted):
        return
    cloud = Cloud(found)
    plan = make_plan(found, wanted)
    events = list(apply(plan, cloud.perform))
    assert [event for event in events if isinstance(event, Failed | Skipped)] == []
    again = make_plan(cloud.world(), wanted)
    assert (again.steps, again.orphans) == ((), plan.orphans)


def test_a_changed_field_that_cannot_change_in_place_is_a_replace() -> None:
    plan = make_plan(world(Thing(name="a", shape="flat")), world(Thing(name="a", shape="round")))
    assert [step.action for step in plan.steps] == ["replace"]
    cloud = Cloud(world(Thing(name="a", shape="flat")))
    list(apply(plan, cloud.perform))
    assert cloud.calls == ["Delete a", "Create a"]
