"""Carry out a plan: the only threads of lambdactl. Yields events; draws nothing.

A step starts as soon as everything before it is done and a worker is free. What a finished step made
possible goes first: a job that was begun is finished before others are begun, and the rate budgets of
all kinds are drawn on at once. A failure skips only what depends on it. A removal looks once more, right
before it starts, at what it is to remove.
Once `stop` answers true (Ctrl-C), no further step starts and the running ones are waited for: a step
is never abandoned half-way. A half-made resource is found to differ and healed by the next apply.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic

from lambdactl.engine.plan import Plan, Step
from lambdactl.engine.resource import Address, Effect

Perform = Callable[[Effect], None]
# Looks again at what a step is about, with what failed or (None) before a removal; answers the step as it
# is to be done now, None when nothing is left to do. Raises what ends the step.
Recheck = Callable[[Step, Exception | None], Step | None]
WORKERS = 40  # most of them wait: for a turn, or for a function to settle
RECHECKS = 3  # failures of one step that may turn out to be none


@dataclass(frozen=True, slots=True)
class Started:
    step: Step


@dataclass(frozen=True, slots=True)
class Done:
    step: Step
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    step: Step
    error: Exception


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not started, since `because` failed, or (None) since apply was told to stop."""

    step: Step
    because: Address | None


Event = Started | Done | Failed | Skipped


def _as_planned(step: Step, error: Exception | None) -> Step | None:
    if error is not None:
        raise error
    return step


def apply(
    plan: Plan,
    perform: Perform,
    *,
    recheck: Recheck = _as_planned,
    workers: int = WORKERS,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Perform every step of `plan`; yields each event as it happens."""
    run = _Run(plan, stop)
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="apply")
    running: dict[Future[float], Step] = {}
    try:
        while True:
            for event in run.ready(workers - len(running)):
                yield event
                if isinstance(event, Started):
                    running[pool.submit(_perform, event.step, perform, recheck)] = event.step
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield run.finish(running.pop(future), future)
        run.check()
    except KeyboardInterrupt:
        # Told twice: what runs is abandoned, as by a kill, and the next apply heals it.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


def effects(step: Step) -> Iterator[Effect]:
    """What a step asks of the world, in order."""
    found, wanted = step.found, step.wanted
    if step.action == "update" and found is not None and wanted is not None:
        yield from wanted.update(found)
        return
    if found is not None:
        yield from found.delete()
    if wanted is not None:
        yield from wanted.create()


def _perform(step: Step, perform: Perform, recheck: Recheck) -> float:
    begin = monotonic()
    left = recheck(step, None) if step.action in ("delete", "replace") else step
    for _ in range(RECHECKS):
        try:
            _effects(left, perform)
        except Exception as error:
            # Again for what is left, if the failure was none: an answer that was lost, for one.
            left = recheck(left or step, error)
        else:
            break
    else:
        _effects(left, perform)
    return monotonic() - begin


def _effects(step: Step | None, perform: Perform) -> None:
    for effect in effects(step) if step else ():
        perform(effect)


class _Run:
    """Which addresses are settled, and which became ready by that."""

    def __init__(self, plan: Plan, stop: Callable[[], bool]) -> None:
        self.stop = stop
        self.steps = {step.address: step for step in plan.steps}
        self.waits = {address: set(before) for address, before in plan.after.items()}
        self.dependents: dict[Address, list[Address]] = {}
        for address, before in plan.after.items():
            for each in before:
                self.dependents.setdefault(each, []).append(address)
        self.broken: dict[Address, Address] = {}  # what cannot be done, and the failure it stems from
        first = (address for address, before in self.waits.items() if not before)
        self.fresh = deque(sorted(first, key=self._reading_order))

    def _reading_order(self, address: Address) -> tuple[bool, str, str]:
        """What there is nothing to do about, what all jobs share, then job by job."""
        step = self.steps.get(address)
        resource = step and (step.wanted or step.found)
        return bool(resource and not resource.shared), address.name, address.kind

    def ready(self, room: int) -> Iterator[Event]:
        """Events for what can start now, `room` steps at most, or must be skipped; what has no step
        settles at once."""
        while self.fresh and room:
            address = self.fresh.popleft()
            step = self.steps.get(address)
            if step is None:
                self._settle(address)
            elif address in self.broken:
                yield Skipped(step, self.broken[address])
                self._settle(address)
            elif self.stop():
                yield Skipped(step, None)
                self._settle(address)
            else:
                room -= 1
                yield Started(step)

    def finish(self, step: Step, future: Future[float]) -> Event:
        error = future.exception()
        if error is None:
            event: Event = Done(step, future.result())
        elif isinstance(error, Exception):
            self.broken[step.address] = step.address
            event = Failed(step, error)
        else:
            raise error
        self._settle(step.address)
        return event

    def _settle(self, address: Address) -> None:
        for dependent in self.dependents.get(address, ()):
            if address in self.broken:
                self.broken.setdefault(dependent, self.broken[address])
            self.waits[dependent].discard(address)
            if not self.waits[dependent]:
                self.fresh.appendleft(dependent)
        self.waits.pop(address)

    def check(self) -> None:
        if self.waits:
            raise RuntimeError(f"nothing runs while these wait: {sorted(map(str, self.waits))}")
