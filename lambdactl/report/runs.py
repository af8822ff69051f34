"""Runs as a table, a page or JSON, and a run's progress lines as they come. No printing, no AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from lambdactl.report.escape import line, terminal
from lambdactl.report.tables import columns
from lambdactl.runners.protocol import Response
from lambdactl.runs import Run

MOST = 10**15  # dollars
_STYLES = {"succeeded": "green", "running": "cyan", "queued": "cyan", "cancelled": "yellow"}


def table(runs: Sequence[Run], whose: str = "") -> Text:
    """`whose` says where was looked, should there be none."""
    if not runs:
        return Text(f"no runs yet {whose}".rstrip())
    rows = [
        (run.id, run.job, run.state, _when(run), _duration(run), _cost(run.cost_usd), line(run.reason, 60))
        for run in runs
    ]
    return columns(("RUN", "JOB", "STATE", "STARTED (UTC)", "TOOK", "COST", "REASON"), rows)


def one(run: Run) -> Text:
    """A run in a line or two."""
    text = Text(f"{line(run.id)}  ")
    text.append(line(run.state), style=f"bold {_STYLES.get(run.state, 'red')}")
    if run.reason.startswith(f"{run.state} at "):  # "lost at …": not said twice
        text.append(f" {line(run.reason.removeprefix(run.state), 300)}")
    elif run.reason:
        text.append(f": {line(run.reason, 300)}")
    text.append(f"\n{terminal(run.folder)}")
    return text


def whole(run: Run, files: Sequence[tuple[str, int]]) -> Text:
    text = one(run)
    result = run.result
    for name, value in (
        ("job", run.job),
        ("started", _when(run)),
        ("took", _duration(run)),
        ("turns", result.get("turns")),
        ("cost", _cost(run.cost_usd)),
        ("tokens", _tokens(result.get("usage") or {})),
        ("memory", _memory(result.get("memoryPeakMb"))),
        ("agent", _agent(result.get("agent") or {})),
        ("exposed", _exposed(result.get("hardening") or {})),
    ):
        if value not in (None, "", "-"):
            text.append(f"\n{name:8} {terminal(str(value))}")
    for number, leg in enumerate(result.get("legs") or (), 1):
        text.append(f"\nleg {number:<4} {line(_leg(leg), 300)}")
    for each in result.get("notes") or ():
        text.append(f"\nnote     {line(str(each), 300)}")
    if result.get("structuredOutput") is not None:  # then the final text is the same, if there is one
        shown = json.dumps(result["structuredOutput"], indent=2, ensure_ascii=False)
        text.append(f"\n\n{terminal(shown).rstrip()}\n")
    elif result.get("output"):
        said = terminal(str(result["output"])).strip("\n")
        text.append(f"\n\n{said}\n")
    if files:
        text.append("" if text.plain.endswith("\n") else "\n")
    for name, size in files:
        text.append(f"\n{size:>12,}  {line(name, 1000)}")
    return text


def json_(runs: Sequence[Run]) -> str:
    """For scripts."""
    return json.dumps([document(run) for run in runs], indent=2, ensure_ascii=False)


def document(run: Run) -> dict[str, Any]:
    """`result` is result.json itself, {} while there is none."""
    return {
        "id": run.id,
        "job": run.job,
        "state": run.state,
        "reason": run.reason,
        "folder": run.folder,
        "started": run.started.isoformat() if run.started else None,
        "ended": run.ended.isoformat() if run.ended else None,
        "costUsd": run.cost_usd,
        "saved": _saved(run),
        "result": dict(run.result),
    }


def local_json(run: Run, response: Response, attempts: int) -> str:
    """A run on this machine and Lambda's answer, on one line; `payload` is text where it is no JSON."""
    try:
        payload = json.loads(response.payload)
    except (ValueError, RecursionError):
        payload = response.payload.decode(errors="replace")
    answer = {
        "payload": payload,
        "functionError": response.function_error or None,
        "durationMs": response.duration_ms,
        "maxMemoryMb": response.max_memory_mb or None,
    }
    return json.dumps({"run": document(run), "response": answer, "attempts": attempts}, ensure_ascii=False)


def _saved(run: Run) -> dict[str, Any] | None:
    if run.saved is None:
        return None
    return {"files": run.saved.files, "bytes": run.saved.size, "last": run.saved.last.isoformat()}


def progress(text: str) -> Text | None:
    """One line of a running job, drawn: the agent's progress, or else what it printed. None: not shown."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        event = None
    if isinstance(event, dict) and "_aws" in event:
        return None  # CloudWatch's: the numbers of the run, which its result has too
    drawn = told(event) if isinstance(event, dict) else None
    return drawn if drawn is not None else Text(terminal(text), style="dim")


def told(event: Mapping[str, Any]) -> Text | None:
    """An event of the progress protocol, drawn; None for any other."""
    draw = _PROGRESS.get(str(event.get("type")))
    try:
        return draw(event) if draw else None
    except (TypeError, ValueError):  # a job may print whatever it likes
        return None


def _started(event: Mapping[str, Any]) -> Text:
    return Text(f"▶ run {line(str(event.get('runId')))} of {line(str(event.get('job')))}", style="bold")


def _said(event: Mapping[str, Any]) -> Text:
    return Text(terminal(str(event.get("text", ""))).strip())


def _tool(event: Mapping[str, Any]) -> Text:
    text = Text(f"→ {line(str(event.get('name')), 80)} ", style="cyan")
    return text.append(line(str(event.get("input", "")), 120), style="dim")


def _tool_result(event: Mapping[str, Any]) -> Text:
    bad = bool(event.get("isError"))
    sign = "✗" if bad else "←"
    return Text(f"{sign} {line(str(event.get('text', '')), 160)}", style="red" if bad else "dim")


def _usage(event: Mapping[str, Any]) -> Text:
    if not _numbers(event, *_TOKENS, "costUsd"):
        raise TypeError("not one of ours")
    parts = [_tokens(event), _cost(event.get("costUsd"))]
    if event.get("turns") is not None:
        parts.insert(0, _turns(event["turns"]))
    return Text("  " + ", ".join(part for part in parts if part != "-"), style="dim")


def _log(event: Mapping[str, Any]) -> Text:
    style = {"error": "red", "warning": "yellow"}.get(str(event.get("level")), "dim")
    return Text(f"  {line(str(event.get('message', '')), 300)}", style=style)


def _ended(event: Mapping[str, Any]) -> Text:
    outcome = line(str(event.get("outcome")))
    text = Text("■ ").append(outcome, style=f"bold {_STYLES.get(outcome, 'red')}")
    return text.append(f": {line(str(event['reason']), 300)}") if event.get("reason") else text


_EXPOSED = {
    "notDumpable": "the agent could read the supervisor's memory",
    "environmentEmptied": "the agent could read the environment that the supervisor was started with",
    "runtimeApiWithheld": "the agent was told Lambda's Runtime API",
}

_PROGRESS = {
    "run.started": _started,
    "run.log": _log,
    "run.ended": _ended,
    "agent.text": _said,
    "agent.tool": _tool,
    "agent.toolResult": _tool_result,
    "agent.usage": _usage,
}


def _when(run: Run) -> str:
    return f"{run.started:%Y-%m-%d %H:%M:%S}" if run.started else "-"


def _duration(run: Run) -> str:
    if not (run.started and run.ended):
        return "-"
    return _span((run.ended - run.started).total_seconds())


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)}m{int(seconds % 60):02}s"


def _cost(value: Any) -> str:
    """A job may have written whatever it likes, also a number beyond all floats."""
    return f"${value:.4f}" if isinstance(value, int | float) and abs(value) < MOST else "-"


_TOKENS = ("inputTokens", "cacheReadTokens", "cacheWriteTokens", "outputTokens")


def _numbers(document: Mapping[str, Any], *names: str) -> bool:
    return all(isinstance(document.get(name) or 0, int | float) for name in names)


def _turns(count: Any) -> str:
    return "1 turn" if count == 1 else f"{count} turns"


def _tokens(usage: Mapping[str, Any]) -> str:
    """All that were sent, those of the provider's cache included: what `maxTokens` counts, too."""
    counts = [usage.get(name) or 0 for name in _TOKENS]
    if not any(counts) or not _numbers(usage, *_TOKENS):
        return "-"
    sent, cached, out = sum(counts[:3]), counts[1], counts[3]
    return f"{sent:,} in{f' ({cached:,} from the cache)' if cached else ''}, {out:,} out"


def _memory(peak: int | None) -> str:
    return "-" if peak is None else f"{peak:,} MB at most"


def _exposed(hardening: Mapping[str, Any]) -> str:
    """What did not hold; nothing to say where all did."""
    return "; ".join(_EXPOSED.get(name, name) for name, holds in hardening.items() if not holds)


def _leg(leg: Any) -> str:
    """One leg of a run; a job may have written whatever it likes."""
    if not isinstance(leg, dict):
        return "-"
    cost, usage = leg.get("costUsd"), leg.get("usage")
    parts = [
        f"{leg.get('ended')}{_after(leg)}",
        _turns(leg["turns"]) if leg.get("turns") is not None else "-",
        _cost(cost),
        _tokens(usage) if isinstance(usage, dict) else "-",
    ]
    return ", ".join(part for part in parts if part != "-")


def _after(leg: Mapping[str, Any]) -> str:
    try:
        begun, ended = (datetime.fromisoformat(str(leg.get(name))) for name in ("startedAt", "endedAt"))
        return f" after {_span((ended - begun).total_seconds())}"
    except (ValueError, TypeError):  # no time, or only one of them with a zone
        return ""


def _agent(agent: Mapping[str, Any]) -> str:
    return " ".join(str(agent[key]) for key in ("type", "version", "model") if agent.get(key))
