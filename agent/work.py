"""The middle of a run: workspace, agent, verdict. However the agent ends, the account says how."""

from __future__ import annotations

import contextlib
import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent import access, clis, environment, hardening, legs, outcome, secrets, structured
from agent.access import Access
from agent.checkpoint import CheckpointError
from agent.child import Command
from agent.clis import Assignment, Launch, mcp
from agent.contract import INVOCATION_MAX, encode
from agent.definition import McpServer
from agent.events import Ended
from agent.listener import Listener
from agent.mirror import ASKED
from agent.outcome import Verdict
from agent.progress import Progress
from agent.running import Account, Outside, Run
from agent.supervise import Ending, Limits, supervise
from agent.tail import ends, last_line

DIAGNOSED = 64 << 10  # bytes of standard error, from its beginning and from its end


def work(run: Run, values: Mapping[str, str], account: Account, progress: Progress, outside: Outside) -> None:
    """Run the agent; however that goes, the account says how."""
    try:
        if run.leg.number == 1:
            _fill_workspace(run)
        with access.opened(run, values) as model:
            account.meter = model.meter
            assignment = _assignment(run, values, model)
            account.cli = clis.find(run.definition.agent.type)(assignment)
            run.leg.restore(run.layout, account.cli)
            if run.leg.number > 1 and outside.cancelled():
                reason = f"cancelled before leg {run.leg.number} began"
                account.verdict = Verdict(outcome="cancelled", reason=reason)
                return
            launch = account.cli.launch()
            account.listener = Listener(
                account.cli,
                progress,
                lambda server: last_line(mcp.log(server, assignment)),
                optional={server.name for server in assignment.servers if server.optional},
                on_up=lambda: _forget(launch),
            )
            account.listener.meter, account.listener.before = model.meter, run.leg.sofar.turns or 0
            _supervise(run, account, launch, outside, model)
        account.verdict = _verdict(run, account, model)
    except (secrets.SecretError, CheckpointError) as error:
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
        (workspace / "input.json").write_bytes(encode(run.request.input))


def _assignment(run: Run, values: Mapping[str, str], model: Access) -> Assignment:
    definition, agent_ = run.definition, run.definition.agent
    return Assignment(
        run_id=run.request.run_id,
        definition=definition,
        layout=run.layout,
        home=run.settings.home,
        env={**environment.base(run.settings, run.layout, run.mark), **model.env},
        agent_env={
            **(run.settings.aws if agent_.aws else {}),
            **secrets.fill_all(agent_.env, values),
        },
        servers=tuple(_filled(server, values, run.settings.aws) for server in definition.mcp_servers),
        model_key=model.key,
        base_url=model.base_url,
        provider=model.provider,
        seconds=min(definition.timeout, INVOCATION_MAX),
        resume=run.leg.resume,
        root=os.geteuid() == 0,
    )


def _filled(server: McpServer, values: Mapping[str, str], aws: Mapping[str, str]) -> McpServer:
    env, headers = secrets.fill_all(server.env, values), secrets.fill_all(server.headers, values)
    return replace(server, env={**(aws if server.aws else {}), **env}, headers=headers)


def _forget(launch: Launch) -> None:
    """What is left lying is read by whatever the agent runs: it is of our user."""
    for path in launch.read_once:
        with contextlib.suppress(OSError):
            path.unlink()


def _supervise(run: Run, account: Account, launch: Launch, outside: Outside, model: Access) -> None:
    assert account.cli
    assert account.listener
    assert account.stdout
    assert account.stderr
    assert account.mirror
    mirror = account.mirror
    account.hardening[hardening.WITHHELD] = hardening.withheld(launch.env, run.settings.runtime_api)
    for path, content in launch.files.items():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
    command = Command(
        argv=launch.argv,
        env=launch.env,
        cwd=run.layout.workspace,
        stdin=launch.stdin,
        stdout=account.stdout,
        stderr=account.stderr,
        stops=account.cli.stops,
        mark=run.mark,
        piped=launch.piped,
    )
    began = outside.clock()
    limits = Limits(
        until=lambda: legs.stop_at(run, mirror.reserve(), began),
        hurry=run.deadline.patience,
        cancelled=lambda: outside.cancelled() or mirror.cancelled(),
        overspent=lambda: model.overspent,
        alone=outside.alone,
        sole=outside.sole,
        silence=account.cli.silence,
        memory=run.settings.memory,
    )
    mirror.start()
    try:
        account.ending = supervise(command, limits, account.listener.on_line, outside.clock)
    except OSError as error:
        reason = f"cannot start {launch.argv[0]}: {error.strerror or error}"
        account.listener.abort = Verdict(outcome="failed", reason=reason)
    finally:
        account.worked = outside.clock() - began
        mirror.stop()


def _verdict(run: Run, account: Account, model: Access) -> Verdict:
    assert account.cli
    assert account.listener
    assert account.stderr
    assert account.mirror
    listener, ending = account.listener, account.ending
    if ending and ending.why == "cancelled" and not ending.finished and account.mirror.cancelled():
        return Verdict(outcome="cancelled", reason=ASKED)
    if ending is None:
        assert listener.abort
        return listener.abort
    stderr = account.stderr
    listener.hear(account.cli.diagnose(ends(stderr, DIAGNOSED)))
    ended = listener.ended
    account.notes += _notes(listener, ending, ended)
    abort = listener.abort
    if not (ended and ended.outcome == "succeeded" and not ending.why):
        abort = abort or model.verdict
    verdict = outcome.decide(
        ending, ended, abort=abort, speaks=account.cli.speaks, timeout=run.definition.timeout
    )
    if verdict.outcome == "succeeded" and ended:
        account.structured, problem = structured.check(ended.structured, run.definition.agent.output_schema)
        if problem:
            return Verdict(outcome="failed", reason=problem)
    if verdict.outcome == "failed" and ended is None and (words := last_line(stderr)):
        return replace(verdict, reason=f"{verdict.reason}: {words}")
    return verdict


def _notes(listener: Listener, ending: Ending, ended: Ended | None) -> list[str]:
    notes = [*listener.notes, *(ended.notes if ended else ())]
    if ended and ended.outcome == "succeeded" and not ending.why and (ending.exit_code or ending.signal):
        notes.append(
            f"the agent succeeded, then ended with {ending.signal or f'exit code {ending.exit_code}'}"
        )
    if ending.why == "linger":
        notes.append("the agent did not exit after its last event and was stopped")
    if listener.not_understood:
        notes.append(f"events that were not understood: {listener.not_understood}")
    if ending.dropped_lines:
        notes.append(f"lines of output over 1 MiB that were not looked at: {ending.dropped_lines}")
    if ending.unspooled:
        notes.append(f"bytes of output that could not be kept, the disk was full: {ending.unspooled:,}")
    if ending.memory_kills and not ending.out_of_memory:
        notes.append(f"processes that the kernel killed, the memory ran out: {ending.memory_kills}")
    if ending.survivors:
        notes.append(f"processes that could not be killed: {ending.survivors}")
    return notes
