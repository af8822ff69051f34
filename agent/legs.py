"""How a leg of a run begins: what its event has to be, from where it goes on, how much time it has.

A leg runs once, however often its event is delivered.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from agent import checkpoint
from agent.checkpoint import CheckpointError
from agent.clis import Resume
from agent.contract import VERSION, ContractError, encode, timestamp
from agent.definition import Definition
from agent.leg import Leg, Record
from agent.load import load
from agent.request import Request
from agent.running import Run
from agent.settings import Settings
from agent.store import Store, StoreError

HANDOVER = 5.0  # seconds kept for a leg's record and for starting the next, besides the checkpoint

PROMPT = """\
The time limit of the invocation you ran in stopped you; the same conversation now goes on in a new one \
(leg {number} of at most {legs}). Your working directory and home folder are as they were. Processes that \
ran then are gone, and so are other folders, caches and links that led out of these folders. What was under \
way when you were stopped may be half done: check it before you rely on it. About {minutes} minutes are \
left for the whole task; a leg is 14 minutes at most, and a command that takes longer cannot end. \
Go on with the task."""


class NoLeg(Exception):
    """The event is for a leg that is not there to be begun: nothing is to be done."""


def begin(
    request: Request, definition: Definition, settings: Settings, store: Store, now: datetime
) -> tuple[Leg, Definition]:
    """The leg that was asked for, and the definition that its run began with. Raises NoLeg."""
    record = _record(request, store)
    if not store.claim(name(request.leg), _claim(request, now)):
        raise NoLeg(f"leg {request.leg} of this run was begun already")
    definition, problem = _definition(record, definition, settings, store)
    leg = Leg(
        number=request.leg,
        sofar=record.sofar,
        resume=_resume(record, definition),
        restore=functools.partial(checkpoint.restore, record, store),
        stored=checkpoint.stored(record, store),
        problem=problem,
    )
    return leg, definition


def _record(request: Request, store: Store) -> Record:
    """Only what a supervisor of this run wrote counts, and only what the event was made for."""
    try:
        record = checkpoint.read(store, request.leg, request.checkpoint)
    except CheckpointError as error:
        raise NoLeg(str(error)) from None
    if record is None or (record.run_id, record.leg) != (request.run_id, request.leg):
        raise NoLeg(f"there is no checkpoint for leg {request.leg} of this run")
    return record


def _claim(request: Request, now: datetime) -> bytes:
    return encode(
        {
            "version": VERSION,
            "leg": request.leg,
            "requestId": request.request_id,
            "startedAt": timestamp(now),
            "attempt": request.attempt,
        }
    )


def _definition(
    record: Record, current: Definition, settings: Settings, store: Store
) -> tuple[Definition, str]:
    """A job may be applied anew while it runs: the run ends as it began, if its image is still there."""
    if record.definition == current.sha256:
        return current, ""
    key = str(PurePosixPath(settings.definition).with_name(f"{record.definition}.json"))
    try:
        return load(replace(settings, definition=key), store), ""
    except (ContractError, StoreError) as error:
        return current, f"the job was changed between two legs of this run: {error}"


def _resume(record: Record, definition: Definition) -> Resume:
    whole = definition.timeout - record.sofar.seconds
    prompt = PROMPT.format(number=record.leg, legs=definition.legs, minutes=max(1, round(whole / 60)))
    return Resume(session_id=record.sofar.session_id, prompt=prompt, turns=record.sofar.turns or 0)


def may_follow(run: Run) -> bool:
    return run.leg.number < run.definition.legs


def stop_at(run: Run, reserve: float, began: float) -> float:
    """When the work that `began` then is over, by the clock: no more of it than is left of the whole run."""
    if run.definition.legs == 1:
        return run.deadline.stop_at(reserve)
    left = max(0.0, run.definition.timeout - run.leg.sofar.seconds)
    return min(run.deadline.stop_at(reserve + HANDOVER * may_follow(run)), began + left)


def name(leg: int) -> str:
    """The document that says of a leg that it began, and how it ended."""
    return f"legs/{leg}/leg.json"
