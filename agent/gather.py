"""The end of a run: what it left, taken to the store, and its result. Decides no outcome."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import agent
from agent import harvest, probe
from agent.contract import Result, StoredFile
from agent.deliver import Delivery
from agent.events import Ended
from agent.handover import sofar
from agent.harvest import Item, Left
from agent.patch import Patches
from agent.redact import Redactor
from agent.running import Account, Outside, Run
from agent.tail import tail

COMMAND_OUTPUT = 10_000  # bytes of a command's standard output that the result repeats
PATCH_TIME = 20.0  # seconds for git at most, and a quarter of what is left
RESULT_TIME = 1.0  # seconds kept for result.json itself
REASON = 2_000  # characters


def deliver(run: Run, account: Account, delivery: Delivery, outside: Outside) -> tuple[StoredFile, ...]:
    """What the agent said and its servers; of a leg, into the leg's own folder."""
    return _deliver(run, account, delivery, outside, lambda left: _items(run, account, left))


def deliver_artifacts(
    run: Run, account: Account, delivery: Delivery, outside: Outside
) -> tuple[StoredFile, ...]:
    """At the end of a run: until then they change."""

    def items(left: Left) -> Iterable[Item]:
        return _artifacts(run, account, delivery.redactor, outside, left)

    return _deliver(run, account, delivery, outside, items)


def _deliver(
    run: Run,
    account: Account,
    delivery: Delivery,
    outside: Outside,
    items: Callable[[Left], Iterable[Item]],
) -> tuple[StoredFile, ...]:
    left = Left()
    keep = min(RESULT_TIME, (run.deadline.ends - run.deadline.stop_at) / 3)
    try:
        some = harvest.bounded(items(left), harvest.Bounds(), left)
        return delivery.all(some, left, run.deadline.left(outside.clock()) - keep)
    except Exception as error:  # a tree we cannot walk must not cost the result
        account.notes.append(f"gathering failed: {type(error).__name__}: {error}")
        return ()
    finally:
        account.notes += left.notes()


def _items(run: Run, account: Account, left: Left) -> list[Item]:
    """What matters most comes first: it is stored first, and counts first against the bounds."""
    layout, folder, speaks = run.layout, run.folder, account.cli is not None and account.cli.speaks
    stdout = "events/000001.jsonl" if speaks else "stdout/000001.log"
    streams = [(stdout, account.stdout), ("stderr/000001.log", account.stderr)]
    items = [Item(name=folder + name, file=file) for name, file in streams if file]
    for sessions, pattern in account.cli.session_files() if account.cli else ():
        if sessions.is_dir():
            items += harvest.below(sessions, f"{folder}transcript/", [pattern], left=Left())
    items += harvest.below(layout.logs, f"{folder}mcp/", left=left)
    return items


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
    yield from harvest.below(workspace, "artifacts/", run.definition.artifacts, left=left)


def result(
    run: Run,
    account: Account,
    redactor: Redactor,
    files: tuple[StoredFile, ...],
    times: tuple[datetime, datetime],
) -> Result:
    definition, listener, ending = run.definition, account.listener, account.ending
    ended = (listener.ended if listener else None) or Ended(outcome="failed", output=_spoken(account))
    whole = sofar(run, account, account.verdict.outcome, times)
    files = (*whole.files, *files)
    session = (listener.session_id if listener else None) or run.leg.sofar.session_id or None
    meter = account.meter
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
        reason=redactor.text(account.verdict.reason)[:REASON],  # masked before it is cut
        exit_code=ending.exit_code if ending else None,
        signal=ending.signal if ending else None,
        started_at=run.leg.started_at(times[0]),
        ended_at=times[1],
        usage=whole.usage,
        cost_usd=whole.cost_usd,
        turns=whole.turns,
        session_id=session,
        memory_peak_mb=-(-ending.memory_peak >> 20) if ending else None,
        hardening=account.hardening,
        output=redactor.text(ended.output),
        structured_output=account.structured,
        mcp_servers=listener.servers if listener else (),
        files=files,
        resumable=session is not None
        and any(file.path.startswith(f"{run.folder}transcript/") for file in files),
        versions={
            "supervisor": agent.__version__,
            "python": platform.python_version(),
            "cli": definition.agent.version,
        },
        sandbox=probe.sandbox(),
        notes=(*whole.notes, *account.notes, *(meter.notes() if meter else ())),
        legs=whole.legs if run.definition.legs > 1 else (),
    )


def _spoken(account: Account) -> str:
    """The end of a command's standard output: it has no final text but this."""
    plain = account.cli is not None and not account.cli.speaks
    return tail(account.stdout, COMMAND_OUTPUT) if plain and account.stdout else ""
