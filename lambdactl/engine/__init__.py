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
    ABSENT,
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
    hash_of,
)

__all__ = [
    "ABSENT", "Action", "Address", "Build", "Call", "Choice", "Delta", "Done", "Effect", "Event", "Failed",
    "ImageRef", "Mark", "Perform", "Plan", "Recheck", "Resource", "Settle", "Skipped", "Started", "Step",
    "Wait", "World", "apply", "computed", "effects", "hash_of", "make_plan", "step_to",
]  # fmt: skip
