"""The end of a leg, without the agent that it had."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from agent import settings
from agent.deadline import Deadline
from agent.definition import Definition
from agent.folder import Folder
from agent.handover import Handover
from agent.mirror import ASKED
from agent.outcome import Verdict
from agent.redact import Redactor
from agent.request import Request
from agent.running import Account, Outside, Run
from tests.agent.bench import definition
from tests.agent.test_checkpoint import CLI
from tests.agent.test_store import RUN_ID

PATIENCE = 60  # seconds for what takes none
LISTENER = SimpleNamespace(session_id="session", answers=1, asked=None, ended=None, turns=1)


def test_cancelled_while_it_is_stored(tmp_path: Path) -> None:
    """It may take a minute: nobody waits for it any more."""
    kept: list[str] = []

    class Store(Folder):
        def keep(self, name: str, content: bytes) -> str:
            kept.append(name)
            return super().keep(name, content)

    variables = {"LAMBDACTL_DEFINITION": "x", "LAMBDACTL_RUN_DIR": f"{tmp_path}/run"}
    found = settings.read({**variables, "LAMBDACTL_WORK": f"{tmp_path}/work"})
    run = Run(
        request=Request(run_id=RUN_ID, request_id="request-1"),
        definition=Definition.parse(definition({}, legs=12, timeout=3600)),
        settings=found,
        deadline=Deadline.of(900, time.monotonic()),
    )
    run.layout.prepare()
    (run.layout.workspace / "large").write_bytes(b"a" * 100_000_000)
    account = Account(
        verdict=Verdict(outcome="timed_out"),
        cli=CLI,
        listener=cast(Any, LISTENER),
        mirror=cast(Any, SimpleNamespace(cancelled=lambda: bool(kept))),
    )
    store = Store(tmp_path / "run")
    handover = Handover(run=run, account=account, store=store, redactor=Redactor({}), outside=Outside())
    assert not handover.save()
    assert account.verdict == Verdict(outcome="cancelled", reason=ASKED)
    assert 1 <= len(kept) < 10
    handover.end()
    until = time.monotonic() + PATIENCE
    while [*tmp_path.glob("run/out/checkpoint/2/*")]:  # one that was on its way goes once it has arrived
        assert time.monotonic() < until
        time.sleep(0.01)
