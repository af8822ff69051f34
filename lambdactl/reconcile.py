"""The use case: wanted -> read -> plan -> guard -> apply. The one place where these meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from lambdactl.aws import Aws
from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Build, Call, Effect, Event, Plan, Resource, World, apply, make_plan
from lambdactl.errors import Refused
from lambdactl.kinds import KINDS, Look
from lambdactl.kinds.image import Image
from lambdactl.site import Site
from lambdactl.wanted import wanted as wanted_world

Builder = Callable[[str], str]  # fingerprint -> digest of the image now in the registry


def read(aws: Aws, deployments: Deployments, wanted: World) -> dict[Address, Resource]:
    """All of the project's resources in AWS as they are now, each kind read concurrently in bulk."""
    aws.forget()
    look = Look(aws=aws, deployments=deployments, wanted=wanted)
    with ThreadPoolExecutor(max_workers=len(KINDS), thread_name_prefix="kind") as pool:
        worlds = list(pool.map(lambda kind: list(kind.read(look)), KINDS))
    found = {resource.address: resource for world in worlds for resource in world}
    for resource in found.values():
        if isinstance(resource, Image):
            aws.images[resource.name] = f"{deployments.site.repository_uri}@{resource.digest}"
    return found


def plan(aws: Aws, deployments: Deployments, *, prune: bool = False, notes: tuple[str, ...] = ()) -> Plan:
    """What would change. `prune` also removes what is ours and no longer wanted."""
    world = wanted_world(deployments)
    return make_plan(read(aws, deployments, world), world, remove=prune, notes=notes)


def plan_offline(deployments: Deployments) -> Plan:
    """The plan for an empty account; asks AWS nothing."""
    return make_plan({}, wanted_world(deployments), notes=("offline: AWS was not asked",))


def plan_destroy(aws: Aws, deployments: Deployments, *, data: bool = False) -> Plan:
    """Remove all of the project's resources; with `data` its logs and images too, never the bucket."""
    found = read(aws, deployments, {})
    going = {address: resource for address, resource in found.items() if resource.kind != "bucket"}
    return make_plan(going, {}, remove=True, remove_data=data)


def guard(plan: Plan) -> None:
    """Refuse a plan that must not be carried out, before anything is changed."""
    if plan.refused:
        names = ", ".join(map(str, plan.refused))
        raise Refused(
            f"found in AWS under our names, but without our ownership mark: {names}",
            hint="rename the job or the project, or remove the foreign resource yourself",
        )


def carry_out(
    aws: Aws,
    site: Site,
    plan: Plan,
    build: Builder,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Apply `plan`. Running it again after a failure continues where it stopped."""
    guard(plan)

    def perform(effect: Effect) -> None:
        if isinstance(effect, Call):
            aws.perform(effect)
        elif isinstance(effect, Build):
            aws.images[effect.tag] = f"{site.repository_uri}@{build(effect.tag)}"

    yield from apply(plan, perform, stop=stop)
