"""The use case: wanted -> read -> plan -> guard -> apply. The one place where these meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

from lambdactl.aws import Aws, Reader
from lambdactl.deployment import Deployments
from lambdactl.engine import (
    Address,
    Build,
    Call,
    Choice,
    Effect,
    Event,
    Plan,
    Resource,
    Settle,
    Step,
    World,
    apply,
    make_plan,
    step_to,
)
from lambdactl.errors import AwsError, Refused
from lambdactl.kinds import KINDS, Look
from lambdactl.kinds.function import Function
from lambdactl.kinds.image import Image
from lambdactl.preflight import quota_problems
from lambdactl.scope import Scope, mass_removal, now
from lambdactl.wanted import wanted as wanted_world

Builder = Callable[[str], str]  # fingerprint -> digest of the image now in the registry
# What a call says that met its own work: its answer was lost, and it was made once more.
_TWICE = frozenset(
    {
        "ConflictException",
        "EntityAlreadyExists",
        "PreconditionFailedException",
        "RepositoryAlreadyExistsException",
        "ResourceConflictException",
    }
)
_SETTLING = frozenset({"last_update"})  # how an update fares, be it ours


def read(look: Look) -> dict[Address, Resource]:
    """All of the project's resources in AWS as they are now, each kind read concurrently in bulk."""
    with ThreadPoolExecutor(max_workers=len(KINDS), thread_name_prefix="kind") as pool:
        worlds = list(pool.map(lambda kind: list(kind.read(look)), KINDS))
    found = {resource.address: resource for world in worlds for resource in world}
    leaving = {each.name for address, each in found.items() if not each.shared and address not in look.wanted}
    guarded = {job for job in leaving if look.protected(job)}
    stay = {
        a: replace(each, protected=True)
        for a, each in found.items()
        if each.name in guarded and not each.shared
    }
    return {**found, **stay}


def plan(
    aws: Aws, deployments: Deployments, scope: Scope | None = None, reader: Reader | None = None
) -> Plan:
    """What would change. Reads AWS, changes nothing. `reader` may have begun to."""
    scope = scope or Scope()
    look = Look(
        aws=reader or Reader(aws),
        deployments=deployments,
        full=scope.full,
        ages=scope.prune_images is not None,
    )
    with ThreadPoolExecutor(1, "functions") as meanwhile:
        # Its pages come one after the other, and take longer than all else.
        meanwhile.submit(lambda: look.functions)
        wanted = wanted_world(deployments)
        found = read(replace(look, wanted=wanted))
    scope.check({each.name for each in (*wanted.values(), *found.values()) if not each.shared})
    made = make_plan(found, wanted, scope.choice(now()))
    mass = mass_removal(found, made, scope, len(deployments.jobs))
    problems = (*mass, *quota_problems(look.aws, made))
    return replace(made, place=str(deployments.site), problems=problems, notes=_trusted(found))


def _trusted(found: World) -> tuple[str, ...]:
    count = sum(isinstance(each, Function) and each.trusted for each in found.values())
    vouched = "tags, retries, concurrency and how the last update ended"
    what = f"read in bulk; for {vouched} their stamp vouches: --full looks"
    return (f"{count} function{'s' if count > 1 else ''} {what}",) if count else ()


def plan_offline(deployments: Deployments) -> Plan:
    """The plan for an empty account; asks AWS nothing."""
    made = make_plan({}, wanted_world(deployments))
    return replace(made, place=str(deployments.site), notes=("offline: AWS was not asked",))


def plan_destroy(aws: Aws, deployments: Deployments, *, data: bool = False) -> Plan:
    """Remove all of the project's resources; with `data` its logs and images too, never the bucket."""
    nothing = replace(deployments, jobs=())
    found = read(Look(aws=Reader(aws), deployments=nothing))
    going = {address: resource for address, resource in found.items() if resource.kind != "bucket"}
    made = make_plan(going, {}, Choice(remove=True, remove_data=lambda resource: data))
    return replace(made, place=str(deployments.site))


def guard(plan: Plan) -> None:
    """Refuse a plan that must not be carried out, before anything is changed."""
    if plan.refused:
        names = ", ".join(map(str, plan.refused))
        raise Refused(
            f"found in AWS under our names, but without our ownership mark: {names}",
            hint="rename the job or the project, remove the foreign resource yourself, "
            "or take over what carries nobody's mark with --adopt",
        )
    if plan.problems:
        raise Refused("; ".join(plan.problems))


def carry_out(
    aws: Aws,
    deployments: Deployments,
    plan: Plan,
    build: Builder,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Apply `plan`. Running it again after a failure continues where it stopped."""
    guard(plan)
    uri = deployments.site.repository_uri
    aws.images |= {
        each.name: f"{uri}@{each.digest}" for each in plan.found.values() if isinstance(each, Image)
    }

    def perform(effect: Effect) -> None:
        match effect:
            case Call():
                aws.perform(effect)
            case Settle(service, wait):
                aws.settle(service, wait)
            case Build(tag):
                aws.images[tag] = f"{uri}@{build(tag)}"

    def recheck(step: Step, error: Exception | None) -> Step | None:
        if error is not None and not (isinstance(error, AwsError) and error.code in _TWICE):
            raise error
        now = _found_now(aws, deployments, step)
        if now is not None and now.part_of() in plan.wanted:
            now = replace(now, protected=False)  # its job stays: what is protected is that
        return _left(step, now, error)

    yield from apply(plan, perform, recheck=recheck, stop=stop)


def _found_now(aws: Aws, deployments: Deployments, step: Step) -> Resource | None:
    """The resource of `step`, read anew and in full."""
    kind = next(kind for kind in KINDS if kind.kind == step.address.kind)
    look = Look(
        aws=Reader(aws),
        deployments=deployments,
        wanted={step.address: step.wanted} if step.wanted else {},
        full=True,
        only="" if kind.shared else step.address.name,
        ages=kind is Image and step.action == "delete",
    )
    found = next((each for each in kind.read(look) if each.address == step.address), None)
    guarded = found is not None and not found.shared and look.protected(found.name)
    return replace(found, protected=True) if found is not None and guarded else found


def _left(step: Step, now: Resource | None, error: Exception | None) -> Step | None:
    """What is left of `step` when its resource is found like this; None when nothing is."""
    if now is None:
        if error is not None:
            raise error
        return replace(step, action="create", found=None) if step.wanted else None
    adopted = step.found is not None and step.found.mark == now.mark
    if not (now.owned or adopted):
        raise Refused(f"{step.address} is not ours any more: it was left alone") from error
    if step.wanted is None:
        if now.protected and not (step.found and step.found.protected):
            raise Refused(f"{step.address} was protected since the plan was made: it was left alone")
        if isinstance(now, Image) and now.used and not (isinstance(step.found, Image) and step.found.used):
            raise Refused(f"{step.address} is used by a function since the plan was made: it was left alone")
        return replace(step, found=now)
    left = step_to(now, step.wanted)
    if left is None or not isinstance(error, AwsError):
        return left
    if error.code != "PreconditionFailedException":
        if left.deltas == step.deltas:
            raise error
    elif step.found is None or _by_others(step.found, now, step.wanted):
        error.hint = "somebody changed it since the plan was made: plan again"
        raise error
    return left  # with the revision of now: it was our own work, or none that matters


def _by_others(found: Resource, now: Resource, wanted: Resource) -> bool:
    """Whether something is neither as it was found nor as we were about to make it."""
    return any(
        getattr(now, each.name) not in (getattr(found, each.name), getattr(wanted, each.name))
        for each in fields(wanted)
        if each.compare and each.name not in _SETTLING
    )
