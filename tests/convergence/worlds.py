"""Random projects that change, and random bad luck on the way to AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from lambdactl.deployment import Deployments
from lambdactl.manifest.job import Agent, Job
from tests.convergence.driver import wanted
from tests.support.cloud import job
from tests.support.strict import Options, Rates

NAMES = ("a", "ab", "a-b", "b")  # each the beginning of another: prefixes must not be mixed up
IMAGES = ("a" * 32, "b" * 32)
Draw = st.DrawFn


@dataclass(frozen=True, slots=True)
class Wish:
    """A job as it is to be, and its image. `foreign`: with the role that is not ours."""

    job: Job
    image: str
    foreign: bool


World = Mapping[str, Wish]


def _jobs(name: str) -> st.SearchStrategy[Wish]:
    settings: dict[str, st.SearchStrategy[Any]] = {
        "concurrency": st.sampled_from([None, 3, 7]),  # moto shows no 0
        "tags": st.sampled_from([{}, {"team": "blue"}, {"team": "red", "cost": "7"}]),
        "retries": st.sampled_from([0, 1]),
        "max_event_age": st.sampled_from([3600, 21600]),
        "secrets": st.sampled_from([{}, {"TOKEN": "/agents/token"}, {"A": "/agents/a", "B": "/agents/b"}]),
        "timeout": st.sampled_from([60, 600]),
        "memory": st.sampled_from([512, 3072]),
        "log_retention_days": st.sampled_from([7, 30]),
        "protect": st.sampled_from([False, False, False, True]),
        "architecture": st.just("arm64" if name == "b" else "x86_64"),  # moto does not change it
        "description": st.sampled_from(["", "reviews pull requests"]),
        "agent": st.sampled_from([Agent(type="command", command=("true",), prompt=p) for p in ("x", "y")]),
    }
    one = st.fixed_dictionaries(settings).map(lambda given: job(name, **given))
    return st.builds(Wish, one, st.sampled_from(IMAGES), st.sampled_from([False, False, False, True]))


@st.composite
def histories(draw: Draw) -> list[World]:
    """Worlds one after the other: jobs come, change in some of their settings, and go."""
    worlds: list[World] = []
    for _ in range(draw(st.integers(2, 3))):
        names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
        before = worlds[-1] if worlds else {}
        stay = {name for name in names if name in before and draw(st.booleans())}
        worlds.append({n: before[n] if n in stay else draw(_jobs(n)) for n in names})
    return worlds


def faults() -> st.SearchStrategy[Rates]:
    """Each kind of fault apart, or all at once. As often as one call in five in all."""
    some = {name: st.sampled_from([0.0, 0.0, 0.03, 0.1]) for name in Rates.__slots__}
    return st.builds(Rates, **some) | st.just(Rates.each(0.03))


def options() -> st.SearchStrategy[Options]:
    """A row of six faults outlasts the tries of one call: then a step, or the whole apply, fails."""
    return st.builds(
        Options,
        seed=st.integers(0, 2**16),
        faults=faults(),
        faults_in_a_row=st.sampled_from([1, 2, 8]),
        creating=st.sampled_from([0.0, 3.0]),
        updating=st.sampled_from([0.0, 2.0]),
        role_assumable=st.sampled_from([0.0, 6.0, 15.0]),
        role_visible=st.sampled_from([0.0, 1.0]),
        image_visible=st.sampled_from([0.0, 2.0]),
        per_second=st.sampled_from([{}, {"lambda": 15, "iam": 30}, {"lambda": 3, "iam": 5, "s3": 20}]),
    )


def deployments(world: World, foreign: str) -> Deployments:
    """`world` as the project declares it; `foreign` is the ARN of the role that is not ours."""
    jobs = [replace(each.job, role=foreign if each.foreign else "") for each in world.values()]
    return wanted(jobs, image=lambda one: world[one.name].image)


def expected_world(before: World, now: World) -> World:
    """What is to be there after `now` was applied with --prune: what is protected stays as it was."""
    stays = {name: each for name, each in before.items() if each.job.protect and name not in now}
    return {**stays, **now}
