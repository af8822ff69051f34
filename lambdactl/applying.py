"""One apply, whole: under the lock, with a record of it in the bucket. Draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambdactl import applied, history
from lambdactl.author import Author
from lambdactl.aws import Aws
from lambdactl.deployment import Deployments
from lambdactl.engine import Done, Event, Plan, Skipped, hash_of
from lambdactl.errors import AwsError, LambdactlError, Refused
from lambdactl.history import Record
from lambdactl.lease import Lease
from lambdactl.reconcile import Builder, carry_out, guard

if TYPE_CHECKING:
    from lambdactl.applied import Origin
    from lambdactl.engine import Address

_REMEMBERED = 20  # applies that are looked at to say who changed what


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an apply works with; `command` is how it was called, for the record."""

    aws: Aws
    deployments: Deployments
    build: Builder
    author: Author
    command: str
    stop: Callable[[], bool]
    on_line: Callable[[str], None]


def run(work: Work, plan: Plan, lease: Lease) -> Iterator[Event]:
    """Carry out `plan`. No step starts without the lock, but the one that makes the bucket it lies in."""
    guard(plan)
    seen: list[Event] = []
    bucket, rest = _bucket_first(plan) if lease.pending else (None, plan)
    if bucket is not None:
        yield from _seen(carry_out(work.aws, work.deployments, bucket, work.build), seen)
        if not any(isinstance(event, Done) for event in seen):
            yield from (Skipped(step, bucket.steps[0].address) for step in rest.steps)
            return
        lease.take()
    record = None if lease.pending else _begin(work, plan)

    def stop() -> bool:
        return work.stop() or lease.lost() or work.aws.deadline.over()

    try:
        yield from _seen(carry_out(work.aws, work.deployments, rest, work.build, stop=stop), seen)
    finally:
        if record is not None:
            _end(work, plan, record, seen)
    if lease.lost():
        raise Refused(
            "the apply lock was lost: it could not be renewed in time, so no further step was started",
            hint="see who applies now (`lambdactl history`), then apply again",
        )


def origins(aws: Aws, deployments: Deployments, plan: Plan) -> dict[Address, Origin]:
    """Who made each difference: somebody in AWS, or git. Unknown to who may not read what was applied:
    the plan role in CI may not decrypt what a key of the user's encrypts."""
    site = deployments.site
    try:
        bases = applied.bases(applied.load(aws, site), history.latest(aws, site, _REMEMBERED))
    except AwsError as error:
        if error.code != "AccessDenied":
            raise
        return {step.address: "unknown" for step in plan.steps}
    return {
        step.address: applied.origin(str(step.address), bases, hash_of(step.found), hash_of(step.wanted))
        for step in plan.steps
    }


def _bucket_first(plan: Plan) -> tuple[Plan | None, Plan]:
    first = tuple(step for step in plan.steps if step.address.kind == "bucket")
    rest = tuple(step for step in plan.steps if step.address.kind != "bucket")
    return (replace(plan, steps=first), replace(plan, steps=rest)) if first else (None, plan)


def _seen(events: Iterator[Event], seen: list[Event]) -> Iterator[Event]:
    for event in events:
        seen.append(event)
        yield event


def _begin(work: Work, plan: Plan) -> Record:
    record = history.begun(plan, work.author, work.command)
    history.write(work.aws, work.deployments.site, record)
    return record


def _end(work: Work, plan: Plan, record: Record, seen: Sequence[Event]) -> None:
    """The record with its results. What was applied is applied, whether it can be written down or not."""
    done = {event.step.address for event in seen if isinstance(event, Done)}
    site = work.deployments.site
    # The snapshot first: killed in between, the record is known to be settled by it (applied.bases).
    writes: tuple[Callable[[], None], ...] = (
        lambda: applied.save(work.aws, site, lambda old: applied.merge(old, record.id, plan, done)),
        lambda: history.write(work.aws, site, history.ended(record, seen)),
    )
    for write in writes:
        try:
            write()
        except LambdactlError as error:
            work.on_line(f"the record of this apply could not be written: {error}")
