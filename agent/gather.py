"""The end of a run: what it left, taken to the store, and its result. Decides no outcome."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import agent
from agent import harvest, probe
from agent.deliver import Delivery
from agent.events import Ended
from agent.handover import sofar
from agent.harvest import Item
from agent.left import Left
from agent.patch import Patches
from agent.redact import Redactor
from agent.result import STATUSES, Result, StoredFile
from agent.running import Account, Outside, Run
from agent.tail import tail

COMMAND_OUTPUT = 10_000  # bytes of a command's standard output that the result repeats
STREAMS = 0.7  # of the time left is for what is left of them; the artifacts are to have some
LOOKING = 0.5  # of the time left is for finding the artifacts: they are to be stored in it, too
PATCH_TIME = 20.0  # seconds for git at most, and a quarter of what is left
RESULT_TIME = 0.5  # seconds kept for result.json itself


def deliver(run: Run, account: Account, delivery: Delivery, outside: Outside) -> tuple[StoredFile, ...]:
    """What is left of the streams; of a leg, in the leg's own folder."""
    unstored = Left()
    try:
        if not account.mirror:
            return ()
        seconds = run.deadline.left(outside.clock()) - _kept(run)
        stored = account.mirror.finish(unstored, seconds * STREAMS)
        account.notes += account.mirror.notes
        return tuple(stored)
    except Exception as error:  # a tree we cannot walk must not cost the result
        account.notes.append(f"gathering failed: {type(error).__name__}: {error}")
        return ()
    finally:
        _tell(account, Left(), unstored)


def deliver_artifacts(
    run: Run, account: Account, delivery: Delivery, outside: Outside
) -> tuple[StoredFile, ...]:
    """At the end of a run: until then they change."""
    left, unstored = Left(), Left()
    try:
        found = _artifacts(run, account, delivery.redactor, outside, left)
        items = harvest.bounded(found, harvest.Bounds(), left)
        return delivery.all(items, unstored, lambda: run.deadline.left(outside.clock()) - _kept(run))
    except Exception as error:  # a tree we cannot walk must not cost the result
        account.notes.append(f"gathering failed: {type(error).__name__}: {error}")
        return ()
    finally:
        _tell(account, left, unstored)


def _kept(run: Run) -> float:
    """Seconds for the result itself."""
    return min(RESULT_TIME, run.deadline.seconds / 20)


def _tell(account: Account, left: Left, unstored: Left) -> None:
    account.unstored += unstored.notes()
    account.notes += (*left.notes(), *unstored.notes())


def _artifacts(
    run: Run, account: Account, redactor: Redactor, outside: Outside, left: Left
) -> Iterator[Item]:
    now, workspace = outside.clock(), run.layout.workspace
    if account.began:
        yield from Patches(
            workspace=workspace,
            folder=run.layout.out / "patches",
            path=run.settings.passed_on.get("PATH", os.defpath),
            since=account.began,
            until=now + min(PATCH_TIME, run.deadline.left(now) / 4),
            clock=outside.clock,
            redactor=redactor,
        ).items(left)
    found = outside.clock()
    late = found + (run.deadline.left(found) - _kept(run)) * LOOKING
    yield from harvest.below(
        workspace, "artifacts/", run.definition.artifacts, left=left, late=lambda: outside.clock() > late
    )


def result(
    run: Run,
    account: Account,
    redactor: Redactor,
    files: tuple[StoredFile, ...],
    times: tuple[datetime, datetime],
) -> Result:
    """What others said is masked in it, and nothing else: `files` have been stored under masked names."""
    definition, listener, ending = run.definition, account.listener, account.ending
    ended = (listener.ended if listener else None) or Ended(outcome="failed", output=_spoken(account))
    whole = sofar(run, account, account.verdict.outcome, times)
    files = (*whole.files, *files)
    session = (listener.session_id if listener else None) or run.leg.sofar.session_id or None
    servers = listener.servers if listener else ()
    notes = (*account.notes, *(account.meter.notes() if account.meter else ()))
    return Result(
        run_id=run.request.run_id,
        job=definition.job,
        project=definition.project,
        environment=definition.environment,
        image=definition.image,
        agent_type=definition.agent.type,
        agent_version=definition.agent.version,
        model=definition.agent.model,
        outcome=account.verdict.outcome,
        reason=redactor.brief(account.verdict.reason),
        exit_code=ending.exit_code if ending else None,
        signal=ending.signal if ending else None,
        started_at=run.leg.started_at(times[0]),
        ended_at=times[1],
        usage=whole.usage,
        cost_usd=whole.cost_usd,
        turns=whole.turns,
        session_id=redactor.value(session),
        memory_peak_mb=-(-ending.memory_peak >> 20) if ending else None,
        hardening=account.hardening,
        output=redactor.text(ended.output),
        structured_output=redactor.value(account.structured, numbers=True),
        mcp_servers=tuple(
            each if each.status in STATUSES else replace(each, status=redactor.brief(each.status))
            for each in servers
        ),
        files=files,
        resumable=session is not None
        and any(file.path.startswith(f"{run.folder}transcript/") for file in files),
        versions={
            "supervisor": agent.__version__,
            "python": platform.python_version(),
            "cli": definition.agent.version,
        },
        sandbox=probe.sandbox(),
        notes=(*whole.notes, *map(redactor.brief, notes)),  # those of earlier legs are masked
        legs=whole.legs if run.definition.legs > 1 else (),
    )


def _spoken(account: Account) -> str:
    """The end of a command's standard output: it has no final text but this."""
    plain = account.cli is not None and not account.cli.speaks
    return tail(account.stdout, COMMAND_OUTPUT) if plain and account.stdout else ""
