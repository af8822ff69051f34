"""One run, from its request to its result.json. The story; each chapter is a module of its own.

Everything that was begun is stored, whatever went wrong: only a definition that does not fit and a
store that fails for good raise.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import agent
from agent import clis, environment, harvest, outcome, processes, secrets, settings
from agent.clis import Assignment, Cli, mcp
from agent.contract import Definition, McpServer, Request, Result, StoredFile, response
from agent.deadline import Deadline
from agent.deliver import Delivery
from agent.events import Ended
from agent.harvest import Item, Left
from agent.layout import Layout
from agent.listener import Listener
from agent.load import load
from agent.outcome import Verdict
from agent.progress import Progress
from agent.redact import Redactor
from agent.settings import Settings
from agent.store import Bucket, Folder, Store
from agent.supervise import Command, Ending, Limits, supervise

LAST_WORDS = 4096  # bytes of a log's end that a reason is looked for in
COMMAND_OUTPUT = 10_000  # bytes of a command's standard output that the result repeats
RESULT_TIME = 1.0  # seconds kept for result.json itself


def _print(line: str) -> None:
    print(line, flush=True)


def _now() -> datetime:
    return datetime.now(timezone.utc)  # noqa: UP017 - Python 3.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The effects a run has besides its processes, files and store.

    `alone`: this process has no children but the run's, so every one of them may be killed.
    """

    now: Callable[[], datetime] = _now
    clock: Callable[[], float] = time.monotonic
    write: Callable[[str], None] = _print
    get_parameters: secrets.GetParameters = secrets.from_ssm
    cancelled: Callable[[], bool] = lambda: False
    alone: bool = False


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
    if earlier := store.get("result.json"):
        # Lambda delivers an asynchronous event at least once: the second time there is nothing to do.
        return response(json.loads(earlier), store.address("result.json"))
    return main(
        Run(request=request, definition=definition, settings=found, deadline=deadline), store, outside
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    request: Request
    definition: Definition
    settings: Settings
    deadline: Deadline

    @property
    def layout(self) -> Layout:
        return Layout(self.settings.work)

    @property
    def mark(self) -> str:
        return f"{self.place}{self.request.run_id}"

    @property
    def place(self) -> str:
        """The beginning of every mark of runs in this work folder."""
        return f"{self.settings.work}:"


@dataclass(slots=True, kw_only=True)
class Account:
    """What is known of a run so far; each chapter adds to it."""

    verdict: Verdict = field(
        default_factory=lambda: Verdict(outcome="failed", reason="the run did not begin")
    )
    cli: Cli | None = None
    listener: Listener | None = None
    ending: Ending | None = None
    notes: list[str] = field(default_factory=list)


def main(run: Run, store: Store, outside: Outside) -> dict[str, Any]:
    """The run itself; the store is open at its folder. Returns the response of the invocation."""
    began = outside.now()
    _clean(run, outside)
    run.layout.prepare()
    try:
        values, problem = _secrets(run, outside)
        redactor = Redactor({**values, **run.settings.credentials, **(run.settings.secrets or {})})
        progress = Progress(write=outside.write, now=outside.now, redactor=redactor)
        delivery = Delivery(store=store, redactor=redactor, folder=run.layout.out)
        progress.started(run.request, run.definition.job, run.definition.agent.type)
        _store_request(run, delivery, began)
        account = _account(run, redactor, problem)
        if not problem:
            _work(run, values, account, progress, outside)
        result = _result(run, account, _deliver(run, account, delivery, outside), began, outside)
        document = redactor.value(result.dump())
        delivery.text("result.json", json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        progress.ended(run.request.run_id, document["outcome"], document["reason"])
        return response(document, store.address("result.json"))
    finally:
        _clean(run, outside)
        run.layout.wipe()


def _clean(run: Run, outside: Outside) -> None:
    """Nothing of an earlier run, or of this one, goes on running: a sandbox of Lambda's is used again."""
    processes.kill(run.place, {os.getpid()} if outside.alone else (), clock=outside.clock)
    if outside.alone:
        processes.reap()


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
    if redactor.too_short:
        account.notes.append(f"too short to be masked: {', '.join(redactor.too_short)}")
    if run.definition.agent.max_turns and run.definition.agent.type != "claude-code":
        account.notes.append(f"maxTurns has no effect with {run.definition.agent.type}")
    return account


def _store_request(run: Run, delivery: Delivery, began: datetime) -> None:
    """The first sign of a run: with this and without a result it is running, or lost."""
    record = run.request.record(run.definition, began)
    if run.request.has_input:
        delivery.text("input.json", json.dumps(run.request.input, ensure_ascii=False))
    delivery.text("request.json", json.dumps(record, indent=2) + "\n")


# -- the work ------------------------------------------------------------------------------------


def _work(
    run: Run, values: Mapping[str, str], account: Account, progress: Progress, outside: Outside
) -> None:
    """Run the agent; however that goes, the account says how."""
    try:
        _fill_workspace(run)
        assignment = _assignment(run, values)
        account.cli = clis.find(run.definition.agent.type)(assignment)
        account.listener = Listener(
            account.cli, progress, lambda server: _last_line(mcp.log(server, assignment))
        )
        _supervise(run, account, outside)
        account.verdict = _verdict(run, account)
    except secrets.SecretError as error:
        account.verdict = Verdict(outcome="failed", reason=str(error))
    except Exception as error:  # ours to answer for; what the agent did so far is still stored
        progress.log("error", traceback.format_exc())
        account.verdict = Verdict(
            outcome="failed", reason=f"the supervisor failed: {type(error).__name__}: {error}"
        )


def _fill_workspace(run: Run) -> None:
    """The job's own files and its input. Those of the image are read-only, the agent's are not."""
    files, workspace = run.settings.home / "files", run.layout.workspace
    if files.is_dir():
        shutil.copytree(files, workspace, symlinks=True, dirs_exist_ok=True)
        for parent, _, names in os.walk(workspace):
            for path in (Path(parent), *(Path(parent, name) for name in names)):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o200)
    if run.request.has_input:
        (workspace / "input.json").write_text(
            json.dumps(run.request.input, ensure_ascii=False), encoding="utf-8"
        )


def _assignment(run: Run, values: Mapping[str, str]) -> Assignment:
    definition, agent_ = run.definition, run.definition.agent
    base_url = agent_.base_url
    if run.settings.model_url:  # OpenAI's base URL ends with the version, Anthropic's does not
        base_url = run.settings.model_url.rstrip("/") + ("/v1" if agent_.provider == "openai" else "")
    return Assignment(
        run_id=run.request.run_id,
        definition=definition,
        layout=run.layout,
        home=run.settings.home,
        env=environment.base(run.settings, run.layout, run.mark),
        agent_env=secrets.fill_all(agent_.env, values),
        servers=tuple(_filled(server, values) for server in definition.mcp_servers),
        model_key=secrets.model_key(agent_.provider, values),
        base_url=base_url,
        seconds=definition.timeout,
        root=os.geteuid() == 0,
    )


def _filled(server: McpServer, values: Mapping[str, str]) -> McpServer:
    env, headers = secrets.fill_all(server.env, values), secrets.fill_all(server.headers, values)
    return replace(server, env=env, headers=headers)


def _supervise(run: Run, account: Account, outside: Outside) -> None:
    assert account.cli and account.listener
    launch = account.cli.launch()
    for path, content in launch.files.items():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
    command = Command(
        argv=launch.argv,
        env=launch.env,
        cwd=run.layout.workspace,
        stdin=launch.stdin,
        stdout=run.layout.out / "stdout",
        stderr=run.layout.out / "stderr",
        stops=account.cli.stops,
        mark=run.mark,
        piped=launch.piped,
    )
    limits = Limits(
        until=run.deadline.stop_at,
        patience=run.deadline.patience,
        cancelled=outside.cancelled,
        alone=outside.alone,
    )
    try:
        account.ending = supervise(command, limits, account.listener.on_line, outside.clock)
    except OSError as error:
        reason = f"cannot start {launch.argv[0]}: {error.strerror or error}"
        account.listener.abort = Verdict(outcome="failed", reason=reason)


def _verdict(run: Run, account: Account) -> Verdict:
    assert account.cli and account.listener
    listener, ending = account.listener, account.ending
    if ending is None:
        assert listener.abort
        return listener.abort
    stderr = run.layout.out / "stderr"
    ended = listener.ended or account.cli.diagnose(_tail(stderr))
    account.notes += _notes(listener, ending, ended)
    verdict = outcome.decide(
        ending, ended, abort=listener.abort, speaks=account.cli.speaks, timeout=run.definition.timeout
    )
    if verdict.outcome == "failed" and ended is None and (words := _last_line(stderr)):
        return replace(verdict, reason=f"{verdict.reason}: {words}")
    return verdict


def _notes(listener: Listener, ending: Ending, ended: Ended | None) -> list[str]:
    notes = list(ended.notes) if ended else []
    if ended and ended.outcome == "succeeded" and not ending.why and (ending.exit_code or ending.signal):
        notes.append(
            f"the agent succeeded, then ended with {ending.signal or f'exit code {ending.exit_code}'}"
        )
    if ending.why == "linger":
        notes.append("the agent did not exit after its last event and was stopped")
    if listener.not_understood:
        notes.append(f"events that were not understood: {listener.not_understood}")
    if ending.dropped_lines:
        notes.append(f"events over 64 MiB that were not looked at: {ending.dropped_lines}")
    if ending.survivors:
        notes.append(f"processes that could not be killed: {ending.survivors}")
    return notes


# -- what is left --------------------------------------------------------------------------------


def _deliver(run: Run, account: Account, delivery: Delivery, outside: Outside) -> tuple[StoredFile, ...]:
    left = Left()
    keep = min(RESULT_TIME, (run.deadline.ends - run.deadline.stop_at) / 3)
    items = harvest.bounded(_items(run, account, left), harvest.Bounds(), left)
    try:
        return delivery.all(items, left, lambda: run.deadline.left(outside.clock()) > keep)
    except Exception as error:  # a tree we cannot walk must not cost the result
        account.notes.append(f"gathering failed: {type(error).__name__}: {error}")
        return ()
    finally:
        account.notes += left.notes()


def _items(run: Run, account: Account, left: Left) -> list[Item]:
    """What matters most comes first: it is stored first, and counts first against the bounds."""
    layout, speaks = run.layout, account.cli is not None and account.cli.speaks
    stdout = "events/000001.jsonl" if speaks else "stdout/000001.log"
    streams = [(stdout, layout.out / "stdout"), ("stderr/000001.log", layout.out / "stderr")]
    items = [Item(name=name, file=file) for name, file in streams if file.exists()]
    for folder, pattern in account.cli.session_files() if account.cli else ():
        if folder.is_dir():
            items += harvest.below(folder, "transcript/", [pattern], left=Left())
    items += harvest.below(layout.logs, "mcp/", left=left)
    items += harvest.below(layout.workspace, "artifacts/", run.definition.artifacts, left=left)
    return items


def _result(
    run: Run, account: Account, files: tuple[StoredFile, ...], began: datetime, outside: Outside
) -> Result:
    definition, listener, ending = run.definition, account.listener, account.ending
    ended = (listener.ended if listener else None) or Ended(outcome="failed", output=_spoken(run, account))
    session = listener.session_id if listener else None
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
        reason=account.verdict.reason[:2000],
        exit_code=ending.exit_code if ending else None,
        signal=ending.signal if ending else None,
        started_at=began,
        ended_at=outside.now(),
        usage=ended.usage,
        cost_usd=ended.cost_usd,
        turns=ended.turns,
        session_id=session,
        output=ended.output,
        mcp_servers=listener.servers if listener else (),
        files=files,
        resumable=session is not None and any(file.path.startswith("transcript/") for file in files),
        versions={
            "supervisor": agent.__version__,
            "python": platform.python_version(),
            "cli": definition.agent.version,
        },
        notes=tuple(account.notes),
    )


def _spoken(run: Run, account: Account) -> str:
    """The end of a command's standard output: it has no final text but this."""
    plain = account.cli is not None and not account.cli.speaks
    return _tail(run.layout.out / "stdout", COMMAND_OUTPUT) if plain else ""


def _tail(file: Path, size: int = LAST_WORDS) -> str:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - size))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _last_line(file: Path) -> str:
    lines = [line.strip() for line in _tail(file).splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
