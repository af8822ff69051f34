"""The reconciler's core: resources as values, plans, and carrying them out. Knows no AWS."""

from lambdactl.engine.apply import (
    Done,
    Event,
    Failed,
    Perform,
    Recheck,
    Skipped,
    Started,
    apply,
    effects,
)
from lambdactl.engine.plan import Action, Choice, Plan, Step, World, make_plan, step_to
from lambdactl.engine.resource import (
    Address,
    Build,
    Call,
    Delta,
    Effect,
    ImageRef,
    Mark,
    Resource,
    Settle,
    Wait,
    computed,
)

__all__ = [
    "Action", "Address", "Build", "Call", "Choice", "Delta", "Done", "Effect", "Event", "Failed",
    "ImageRef", "Mark", "Perform", "Plan", "Recheck", "Resource", "Settle", "Skipped", "Started", "Step",
    "Wait", "World", "apply", "computed", "effects", "make_plan", "step_to",
]  # fmt: skip
