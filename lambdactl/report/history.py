"""Past applies as a table, a page or JSON. No printing, no AWS."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from lambdactl.author import short
from lambdactl.history import Record, StepRecord, dump
from lambdactl.report.escape import line, terminal
from lambdactl.report.tables import columns

_STYLES = {"complete": "green", "running": "cyan", "interrupted": "yellow", "killed": "yellow"}
_SIGNS = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("-", "yellow"),
    "unknown": ("?", "cyan"),
}


def table(records: Sequence[Record]) -> Text:
    if not records:
        return Text("no applies yet")
    rows = [
        (
            each.id,
            _when(each.started),
            line(each.who, 80),
            short(each.commit) or "-",
            each.fingerprint or "-",
            each.status,
            _counts(each),
        )
        for each in records
    ]
    head = ("APPLY", "STARTED (UTC)", "WHO", "COMMIT", "PLAN", "STATUS", "DONE/FAILED/SKIPPED")
    return columns(head, rows)


def whole(record: Record) -> Text:
    text = Text(f"{record.id}  ").append(record.status, style=f"bold {_STYLES.get(record.status, 'red')}")
    for name, value in (
        ("who", record.who),
        ("commit", record.commit),
        ("command", record.command),
        ("plan", record.fingerprint),
        ("started", _when(record.started)),
        ("ended", _when(record.ended)),
    ):
        if value not in ("", "-"):
            text.append(f"\n{name:8} {line(value, 300)}")
    text.append("\n")
    for step in record.steps:
        sign, style = _SIGNS[step.result]
        text.append(f"\n{sign} {_step(step)}", style=style)
    return text


def json_(records: Sequence[Record]) -> str:
    """The documents themselves (schemas/history.schema.json), newest first; "unreadable" ones are bare."""
    return json.dumps([dump(each) for each in records], indent=2)


def _step(step: StepRecord) -> str:
    text = f"{step.action} {line(step.address)}"
    if step.seconds is not None:
        text += f" ({step.seconds:.1f} s)"
    if step.error:
        text += f": {terminal(step.error)}"
    if step.because:
        failed = line(step.because)
        text += ": apply was stopped" if failed == "stopped" else f": {failed} failed"
    return text


def _counts(record: Record) -> str:
    if record.status in ("running", "killed", "unreadable"):
        return "-"
    counts = Counter(step.result for step in _told(record))
    return f"{counts['done']}/{counts['failed']}/{counts['skipped']}"


def _told(record: Record) -> list[StepRecord]:
    """As plans and applies count (`report.plan.told_steps`), and what failed in any case."""
    others = {_name(step) for step in record.steps if not step.bookkeeping}
    return [
        step
        for step in record.steps
        if not (step.bookkeeping and _name(step) in others) or step.result == "failed"
    ]


def _name(step: StepRecord) -> str:
    return step.address.partition(".")[2]


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"
