"""The strict cloud: layers before an emulator that impose what AWS does and emulators forgive.

One module for each behaviour; each says where the behaviour is known from. Only tests and benchmarks use
them. They take time from a clock and chance from a seed, so that a run can be repeated. One account, one
region: layers know functions and roles by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.messages import Layer
from tests.support.strict.account import Account
from tests.support.strict.clock import Clock, VirtualClock
from tests.support.strict.faults import Faults, Rates
from tests.support.strict.iam_limits import IamLimits
from tests.support.strict.images import Images
from tests.support.strict.killing import KillAt
from tests.support.strict.lambda_limits import lambda_limits
from tests.support.strict.pages import Pages
from tests.support.strict.revisions import Revisions
from tests.support.strict.states import States
from tests.support.strict.throttle import AWS, Throttle
from tests.support.strict.young_roles import YoungRoles

__all__ = ["Faults", "KillAt", "Options", "Rates", "Strict", "VirtualClock", "strict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How strict. Times in seconds of the clock."""

    seed: int = 0
    creating: float = 3.0
    updating: float = 2.0
    role_assumable: float = 6.0
    role_visible: float = 1.0
    image_visible: float = 2.0
    roles: int = 1000
    concurrency: int = 1000
    concurrency_floor: int = 100
    call_seconds: float = 0.01  # of virtual time for each call: throttles pass without a sleep
    per_second: Mapping[str, float] = field(default_factory=lambda: AWS)  # see Throttle; {}: no throttling
    faults: Rates = field(default_factory=Rates)  # none
    faults_in_a_row: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    """The layers that can be scripted or asked, and `layers`: all of them, the outermost first."""

    faults: Faults
    throttle: Throttle
    states: States
    revisions: Revisions
    layers: tuple[Layer, ...]


def strict(clock: Clock, options: Options) -> Strict:
    faults = Faults(seed=options.seed, rates=options.faults, in_a_row=options.faults_in_a_row)
    throttle = Throttle(clock, options.per_second)
    states = States(clock=clock, creating=options.creating, updating=options.updating)
    revisions = Revisions(states.settled, seed=options.seed)
    iam = IamLimits(roles=options.roles)
    layers: tuple[Layer, ...] = (
        faults,
        throttle,
        Pages(),
        lambda_limits,
        iam,
        YoungRoles(
            clock=clock, seed=options.seed, assumable=options.role_assumable, visible=options.role_visible
        ),
        Images(clock=clock, visible=options.image_visible),
        revisions,
        states,
        Account(iam=iam, concurrency=options.concurrency, floor=options.concurrency_floor),
        Fill(),
    )
    return Strict(faults=faults, throttle=throttle, states=states, revisions=revisions, layers=layers)
