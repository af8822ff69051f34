"""How a leg of a run ends: whether another follows, and how it is handed over.

The limits of a run hold over all of its legs.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, TimeoutError  # in Python 3.10 not the built-in one
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent import checkpoint, legs
from agent.checkpoint import CheckpointError
from agent.contract import VERSION, encode, timestamp
from agent.invoke import InvokeError
from agent.leg import Part, Record, Sofar
from agent.mirror import ASKED, CANCEL
from agent.outcome import Verdict
from agent.redact import Redactor
from agent.request import leg_event
from agent.result import LegRecord, StoredFile, Usage
from agent.running import Account, Outside, Run
from agent.store import Store, StoreError

AFTER = 3.0  # seconds
LEAST = 10.0  # seconds of work below which no other leg is begun


def spent(run: Run, account: Account) -> tuple[Usage, float | None, int | None]:
    """Tokens, cost and turns of this leg alone. A CLI that was stopped tells no cost."""
    listener = account.listener
    if not listener or not account.cli:  # no agent was started
        return Usage(), 0.0, 0
    if meter := account.meter:  # it began with what the legs before had spent
        before, cost = run.leg.sofar, meter.cost_usd
        cost = None if cost is None else max(0.0, round(cost - (before.cost_usd or 0.0), 6))
        return meter.usage - before.usage, cost, _turns(account)
    if ended := listener.ended:
        usage = ended.usage - run.leg.sofar.usage if account.cli.adds_up else ended.usage
        return usage, ended.cost_usd, ended.turns
    return listener.asked or Usage(), None, _turns(account)


def _turns(account: Account) -> int | None:
    assert account.listener
    ended, listener = account.listener.ended, account.listener
    return ended.turns if ended else listener.turns if listener.asked else None


def sofar(run: Run, account: Account, ended: str, times: tuple[datetime, datetime]) -> Sofar:
    """What this leg and those before it came to. `ended` is as LegRecord has it."""
    before, (usage, cost, turns) = run.leg.sofar, spent(run, account)
    record = LegRecord(
        started_at=timestamp(times[0]),
        ended_at=timestamp(times[1]),
        ended=ended,
        usage=usage,
        cost_usd=cost,
        turns=turns,
    )
    session = account.listener.session_id if account.listener else None
    return replace(
        before,
        started_at=before.started_at or record.started_at,
        session_id=session or before.session_id,
        seconds=before.seconds + account.worked,
        legs=(*before.legs, record),
    )


@dataclass(slots=True, kw_only=True)
class Handover:
    """The end of one leg. `store` is open at the run's folder; nothing of the agent's runs any more."""

    run: Run
    account: Account
    store: Store
    redactor: Redactor
    outside: Outside
    _parts: tuple[Part, ...] = ()
    _stored: dict[str, str] = field(default_factory=dict)  # of the checkpoint that is made here

    @property
    def _next(self) -> int:
        return self.run.leg.number + 1

    def save(self) -> bool:
        """Whether another leg is to follow and all it needs is stored; if not, the account says why."""
        if not self._follows():
            return False
        assert self.account.cli
        try:
            self._parts, notes = checkpoint.save(
                self.run.layout, self.account.cli, self.store, self._next, self._left_to_save, self._stored
            )
        except CheckpointError as error:
            self._ends_here(str(error))
            self.account.verdict = self._cancelled() or self.account.verdict
            return False
        self.account.notes += notes
        return True

    def start(self, files: tuple[StoredFile, ...], times: tuple[datetime, datetime]) -> dict[str, Any] | None:
        """Start the next leg; the response, or None when it does not start: then the account says why."""
        if verdict := self._cancelled(self.store.exists(CANCEL)):
            self.account.verdict = verdict
            return None
        try:
            event = self._record(files, times)
        except StoreError as error:  # nobody goes on from half of it
            self._ends_here(str(error))
            return None
        if reason := self._invoke(event):
            self._ends_here(reason)
            return None
        self._forget(self.run.leg.stored)
        return {
            "version": VERSION,
            "runId": self.run.request.run_id,
            "outcome": "continued",
            "reason": f"it goes on in leg {self._next}",
            **({"next": event} if self.run.settings.asks else {}),
        }

    def end(self) -> None:
        """The run ends here: nothing of its checkpoints stays."""
        self._forget({**self.run.leg.stored, **self._stored})

    # -- whether -----------------------------------------------------------------------------------

    def _follows(self) -> bool:
        """When it is the legs that end the run, the account says so."""
        run, account = self.run, self.account
        if run.definition.legs == 1 or account.verdict.outcome != "timed_out":
            return False
        if verdict := self._over():
            account.verdict = verdict
            return False
        return run.definition.timeout - run.leg.sofar.seconds - account.worked >= LEAST

    def _over(self) -> Verdict | None:
        run, listener = self.run, self.account.listener
        number, most = run.leg.number, run.definition.agent.max_turns
        if verdict := self._cancelled():
            return verdict
        if number == run.definition.legs:
            reason = f"stopped, and what there was saved, at the end of leg {number}, the last it may take"
            return Verdict(outcome="timed_out", reason=reason)
        if not listener or not listener.session_id or not listener.answers:
            # Otherwise a tool call that takes longer than a leg would be begun again in every one of them.
            reason = (
                f"leg {number} made no progress: no tool answered in it, and a call has to fit into a leg"
            )
            return Verdict(outcome="failed", reason=reason)
        turns = (run.leg.sofar.turns or 0) + (spent(run, self.account)[2] or 0)
        if most and turns >= most:
            return Verdict(outcome="budget_exceeded", reason=f"the limit of {most} turns was reached")
        return None

    def _cancelled(self, asked: bool = False) -> Verdict | None:
        if asked or (self.account.mirror and self.account.mirror.cancelled()):
            return Verdict(outcome="cancelled", reason=ASKED)
        if self.outside.cancelled():
            return Verdict(outcome="cancelled", reason="the supervisor was asked to stop")
        return None

    def _ends_here(self, why: str) -> None:
        verdict = self.account.verdict
        self.account.verdict = replace(verdict, reason=f"{verdict.reason}; no further leg follows: {why}")

    # -- how ---------------------------------------------------------------------------------------

    def _left(self) -> float:
        """Seconds for the checkpoint: the leg's files and its record come after it."""
        deadline = self.run.deadline
        return deadline.left(self.outside.clock()) - min(AFTER, deadline.seconds / 20)

    def _left_to_save(self) -> float:
        """None once nobody wants it any more."""
        return 0.0 if self._cancelled() else self._left()

    def _record(self, files: tuple[StoredFile, ...], times: tuple[datetime, datetime]) -> dict[str, Any]:
        """Write down what the next leg has to know, and how this one ended; the event for it."""
        now = sofar(self.run, self.account, "continued", times)
        notes = map(self.redactor.brief, self.account.notes)
        now = replace(now, files=(*now.files, *files), notes=(*now.notes, *notes))
        record = Record(
            run_id=self.run.request.run_id,
            leg=self._next,
            definition=self.run.definition.sha256,
            sofar=now,
            parts=self._parts,
        )
        content = encode(record.dump())
        name = checkpoint.record_name(self._next)
        self._stored[name] = ""
        self._stored[name] = self.store.keep(name, content)
        leg = {"version": VERSION, "leg": self.run.leg.number, **now.legs[-1].dump()}
        self.store.put(legs.name(self.run.leg.number), encode(leg), "application/json")
        return leg_event(self.run.request.run_id, self._next, hashlib.sha256(content).hexdigest())

    def _invoke(self, event: dict[str, Any]) -> str:
        """Why the next leg does not start; "" when it does, or when whoever invoked us starts it."""
        if self.run.settings.asks:
            return ""
        try:
            self.outside.invoke(self.run.settings.function, encode(event))
        except InvokeError as error:
            # It may have been accepted all the same: what we claim here nobody begins any more.
            claim = encode({"version": VERSION, "leg": self._next, "attempt": uuid.uuid4().hex})
            try:
                return str(error) if self.store.claim(legs.name(self._next), claim) else ""
            except StoreError:  # should it begin, it finds the result that we are about to store
                return str(error)
        return ""

    def _forget(self, stored: Mapping[str, str]) -> None:
        """Not for longer than there is time: the result is still to come."""
        if not stored:
            return
        pool = ThreadPoolExecutor(1)
        try:
            pool.submit(self.store.forget, stored).result(max(0.0, self._left()))
        except TimeoutError:
            self.account.notes.append("a checkpoint could not be removed: no time was left")
        except StoreError as error:
            self.account.notes.append(f"a checkpoint could not be removed: {error}")
        finally:
            pool.shutdown(wait=False)
