"""One run, from its request to its result.json. The story; each chapter is a module of its own.

Everything that was begun is stored, whatever went wrong: only a definition that does not fit and a
store that fails for good raise.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agent import attempt, checkpoint, legs, metrics, processes, scratch, secrets, settings
from agent.bucket import Bucket
from agent.deadline import Deadline
from agent.deliver import Delivery
from agent.folder import Folder
from agent.gather import deliver, deliver_artifacts, result
from agent.handover import Handover
from agent.load import load
from agent.mirror import CANCEL, Mirror
from agent.outcome import Verdict
from agent.progress import Progress
from agent.redact import Redactor
from agent.request import Request, rejected
from agent.result import response
from agent.running import Account, Outside, Run
from agent.sources import sources, weigh
from agent.store import Store, StoreError
from agent.stream import Source
from agent.work import work


def start(
    event: Any, request_id: str, seconds: float, variables: Mapping[str, str], outside: Outside
) -> dict[str, Any]:
    """What both doors call. `seconds` are what is left of the invocation; returns its response."""
    deadline = Deadline.of(seconds, outside.clock())
    found = settings.read(variables)
    store: Store = Folder(found.run_dir) if found.run_dir else Bucket(found.bucket)
    definition = load(found, store)
    request = Request.of_event(event, request_id)
    store.open(definition.prefix, request.run_id)
    run, began = Run(request=request, definition=definition, settings=found, deadline=deadline), outside.now()
    if request.leg == 1:
        return attempt.begin(run, store, began) or main(run, store, outside, began)
    return _further_leg(run, store, outside, began)


def _further_leg(run: Run, store: Store, outside: Outside, began: datetime) -> dict[str, Any]:
    if earlier := store.get("result.json"):
        return response(json.loads(earlier), store.address("result.json"))
    try:
        leg, definition = legs.begin(run.request, run.definition, run.settings, store, began)
    except legs.NoLeg as reason:
        return rejected(run.request, str(reason))
    return main(replace(run, leg=leg, definition=definition), store, outside, began)


def main(run: Run, store: Store, outside: Outside, began: datetime) -> dict[str, Any]:
    """The run itself; the store is open at its folder. Returns the response of the invocation."""
    _clean(run, outside)
    outside = replace(outside, sole=outside.alone and processes.only_us())
    left = _empty(run, outside)
    run.layout.prepare()
    stack = contextlib.ExitStack()
    try:
        values, problem = _secrets(run, outside)
        problem = run.leg.problem or problem
        redactor = Redactor({**values, **run.settings.credentials, **(run.settings.secrets or {})})
        progress = Progress(write=outside.write, now=outside.now, redactor=redactor)
        delivery = Delivery(store=store, redactor=redactor)
        progress.started(run.request, run.definition.job, run.definition.agent.type)
        account = _account(run, redactor, problem)
        _store_input(run, account, delivery)
        account.began = run.leg.started_at(began)
        account.hardening |= outside.hardening
        account.notes += [f"could not be removed from {outside.scratch}: {name}" for name in left]
        cancelled = store.exists(CANCEL)
        if cancelled and run.leg.number == 1:
            account.verdict = Verdict(outcome="cancelled", reason="cancelled before it began")
        elif not problem:
            if cancelled:  # what the legs before made is in their checkpoint alone
                outside = replace(outside, cancelled=lambda: True)
            account.stdout, account.stderr = (stack.enter_context(_spool(run.layout.out)) for _ in range(2))
            account.mirror = _mirror(run, account, store, redactor, outside)
            work(run, values, account, progress, outside)
            run.layout.reclaim()
            store.reclaim()
            if not store.keeps and run.leg.number == 1:
                delivery.document("request.json", run.request.record(run.definition, began))
                _store_input(run, account, delivery)
        handover = Handover(run=run, account=account, store=store, redactor=redactor, outside=outside)
        goes_on = handover.save()
        files = deliver(run, account, delivery, outside)
        if goes_on and (answer := handover.start(files, (began, outside.now()))):
            progress.log("info", f"{answer['reason']}")
            return answer
        files += deliver_artifacts(run, account, delivery, outside)
        handover.end()
        document = result(run, account, redactor, files, (began, outside.now())).dump()
        delivery.document("result.json", document)
        progress.metrics(metrics.line(document, outside.now()))
        progress.ended(run.request.run_id, document["outcome"], document["reason"])
        return response(document, store.address("result.json"), redactor.value(account.unstored))
    finally:
        stack.close()
        _clean(run, outside)
        with contextlib.suppress(OSError):  # the next run wipes again, and insists
            run.layout.wipe()
        _empty(run, outside)


def _clean(run: Run, outside: Outside) -> None:
    """Nothing of an earlier run, or of this one, goes on running: a sandbox of Lambda's is used again."""
    ancestors = {os.getpid()} if outside.alone else ()
    processes.kill(run.place, ancestors, everyone=outside.sole, clock=outside.clock)
    if outside.alone:
        processes.reap()


def _empty(run: Run, outside: Outside) -> list[str]:
    """Nor is anything of it found in the rest of the sandbox's /tmp."""
    return scratch.empty(outside.scratch, keep=run.settings.work) if outside.scratch else []


@contextlib.contextmanager
def _spool(folder: Path) -> Iterator[Path]:
    """A file without a name, for a stream of the agent's: what it does in the file system cannot reach it."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield Path(f"/proc/self/fd/{file.fileno()}")


def _secrets(run: Run, outside: Outside) -> tuple[dict[str, str], str]:
    """The declared secrets' values, or what is wrong with them."""
    declared, given = run.definition.secrets, run.settings.secrets
    try:
        if given is not None:
            return secrets.given(declared, given), ""
        return secrets.fetch(declared, outside.get_parameters), ""
    except secrets.SecretError as error:
        return {}, str(error)


def _account(run: Run, redactor: Redactor, problem: str) -> Account:
    account = Account()
    if problem:
        account.verdict = Verdict(outcome="failed", reason=problem)
        if run.leg.number > 1:  # it has not all of the secrets that they may hold
            lost = "the files that the legs before made are lost with their checkpoint"
            account.notes.append(f"{lost}: this leg cannot mask them")
    if redactor.too_short:
        account.notes.append(f"too short to be masked: {', '.join(redactor.too_short)}")
    if run.wants_aws and "AWS_SECRET_ACCESS_KEY" not in run.settings.aws:
        account.notes.append("`aws: true` has no effect: this run has no AWS credentials")
    if run.definition.agent.max_turns and run.definition.agent.type != "claude-code":
        account.notes.append(f"maxTurns has no effect with {run.definition.agent.type}")
    return account


def _mirror(run: Run, account: Account, store: Store, redactor: Redactor, outside: Outside) -> Mirror:
    def now() -> Iterable[Source]:
        return sources(run, account, redactor)

    # What is to be stored at the end: the checkpoint if another leg may follow, else the artifacts.
    rest = weigh(run.layout.workspace, run.definition.artifacts)
    if legs.may_follow(run):
        rest = functools.partial(checkpoint.weigh, run.layout)
    return Mirror(store, redactor, now, rest, outside.clock)


def _store_input(run: Run, account: Account, delivery: Delivery) -> None:
    """Beside the record, which the claim has left. Without it the work is done all the same: since the run
    is claimed, nobody else would do it."""
    if not run.request.has_input:
        return
    try:
        delivery.document("input.json", delivery.redactor.value(run.request.input))
    except StoreError as error:
        said = f"left out, it could not be stored ({error}): input.json"
        account.unstored.append(said)
        account.notes.append(said)
