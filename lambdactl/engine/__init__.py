"""The reconciler's core: resources as values, plans, and carrying them out. Knows no AWS."""

from lambdactl.engine.apply import Done, Event, Failed, Perform, Skipped, Started, apply, effects
from lambdactl.engine.plan import Action, Plan, Step, World, make_plan
from lambdactl.engine.resource import (
    Address,
    Build,
    Call,
    Delta,
    Effect,
    ImageRef,
    Resource,
    Wait,
    computed,
)

__all__ = [
    "Action", "Address", "Build", "Call", "Delta", "Done", "Effect", "Event", "Failed", "ImageRef",
    "Perform", "Plan", "Resource", "Skipped", "Started", "Step", "Wait", "World", "apply", "computed",
    "effects", "make_plan",
]  # fmt: skip
