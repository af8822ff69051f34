"""Whatever faults happen: apply, applied again until it is quiet, reaches exactly the wanted state,
nothing orphaned, nothing done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lambdactl.aws import Aws
from tests.convergence.actual import actual, differences, elsewhere, expected, images, locked
from tests.convergence.driver import Outcome, dead_holders, fresh, until_quiet
from tests.convergence.ledger import Ledger
from tests.convergence.worlds import World, deployments, expected_world, histories, options
from tests.support.cloud import StrictCloud, reset, strict_front
from tests.support.strict import Options, Rates

FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # to shrink takes minutes; the seed repeats it
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Emulator:
    name: str
    url: str


@pytest.fixture(params=["moto", "ministack"], scope="module")
def emulator(request: pytest.FixtureRequest) -> Emulator:
    return Emulator(request.param, request.getfixturevalue(f"{request.param}_server"))


@dataclass
class Account:
    """A new account behind the strict layers, what was to be in it last, and what was ever in it."""

    cloud: StrictCloud
    ledger: Ledger
    foreign: str
    aws: Aws
    world: World = field(default_factory=dict)
    ever: set[str] = field(default_factory=set)
    code: dict[str, str] = field(default_factory=dict)

    def reach(self, world: World) -> Outcome:
        """Apply `world` until it is quiet, and look at the account itself."""
        self.world = expected_world(self.world, world)
        self.ever |= self.world.keys()
        self.ledger.reset()
        outcome = until_quiet(lambda: fresh(self.cloud, self.aws), deployments(world, self.foreign))
        self.check()
        return outcome

    def check(self) -> None:
        found, jobs = actual(self.cloud.upstream), deployments(self.world, self.foreign).jobs
        assert differences(found, expected(jobs, images(found)), self.ever - self.world.keys()) == []
        assert self.ledger.made_twice() == []
        assert self.ledger.sent_again(self.code) == []


@contextmanager
def account(emulator: Emulator, options: Options) -> Iterator[Account]:
    reset(emulator.name, emulator.url)
    foreign, ledger = elsewhere(emulator.url), Ledger()
    with strict_front(emulator.name, emulator.url, options, outer=[dead_holders], inner=[ledger]) as cloud:
        yield Account(cloud, ledger, foreign, cloud.aws())


@FEW
@given(history=histories(), options=options())
def test_whatever_faults_happen_the_wanted_state_is_reached(
    emulator: Emulator, history: list[World], options: Options
) -> None:
    with account(emulator, options) as there:
        for world in history:
            there.reach(world)


@FEW
@given(history=histories(), options=options())
def test_without_faults_one_apply_does_it_and_each_write_is_made_once(
    emulator: Emulator, history: list[World], options: Options
) -> None:
    """Throttles, young roles, images and running updates are no faults: nothing fails because of them."""
    with account(emulator, replace(options, faults=Rates())) as there:
        for world in history:
            outcome = there.reach(world)
            assert (outcome.troubles, len(outcome.plans)) == ([], 1 + bool(outcome.plans[0].steps))
            assert there.ledger.repeated() == []
            assert not locked(emulator.url)
