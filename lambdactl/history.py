"""What each apply did: one document in the bucket for each. Draws nothing.

Written when an apply starts, so that a killed one leaves a trace, and again with the results at its
end. The times are of the machine that applied; the id, a UUIDv7, sorts by them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from lambdactl.author import Author
from lambdactl.aws import Aws
from lambdactl.engine import Action, Done, Event, Failed, Plan, Skipped, Step, hash_of
from lambdactl.errors import NotFound, RunError
from lambdactl.runs import is_run_id, new_run_id
from lambdactl.site import Site

VERSION = 1
Status = Literal["running", "killed", "complete", "incomplete", "interrupted", "unreadable"]
Result = Literal["unknown", "done", "failed", "skipped"]
STOPPED = "stopped"
_LARGEST = 16 << 20  # bytes of a record that are read
_ERROR_MAX = 4000  # characters of an error's text that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    address: str
    action: Action
    wanted: str  # applied.hash_of what was wanted; "" for a delete
    bookkeeping: bool = False  # as `Resource.bookkeeping`
    result: Result = "unknown"
    error: str = ""  # of a failed step
    because: str = ""  # of a skipped one: the address that failed, or "stopped"
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`status` is stored as "running" also for an apply that was killed (`judged` tells), and is
    "unreadable" of what is none of ours."""

    id: str
    status: Status
    who: str = ""
    commit: str = ""
    command: str = ""
    fingerprint: str = ""  # the plan's
    started: datetime | None = None
    ended: datetime | None = None
    steps: tuple[StepRecord, ...] = ()


def begun(plan: Plan, author: Author, command: str, now: datetime | None = None) -> Record:
    """The record of an apply that starts now. `command` as the user gave it."""
    start = now or datetime.now(UTC)
    return Record(
        id=new_run_id(start.timestamp),
        status="running",
        who=author.who,
        commit=author.commit,
        command=command,
        fingerprint=plan.fingerprint,
        started=start,
        steps=tuple(map(_step, plan.steps)),
    )


def ended(record: Record, events: Iterable[Event], now: datetime | None = None) -> Record:
    """`record` with the results that these events tell."""
    results = {str(event.step.address): event for event in events}  # the last of each
    steps = tuple(_result(step, results.get(step.address)) for step in record.steps)
    if any(step.result == "unknown" or step.because == STOPPED for step in steps):
        status: Status = "interrupted"
    else:
        status = "complete" if all(step.result == "done" for step in steps) else "incomplete"
    return replace(record, status=status, ended=now or datetime.now(UTC), steps=steps)


def dump(record: Record) -> dict[str, Any]:
    """The document (schemas/history.schema.json)."""
    document = {"version": VERSION, **asdict(record)}
    for name in ("started", "ended"):
        document[name] = document[name] and document[name].isoformat()
    document["steps"] = list(document["steps"])
    return document


def parse(content: bytes, record_id: str) -> Record:
    """The record with this id; `unreadable` for what is none of ours."""
    try:
        return _record(json.loads(content), record_id)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return Record(id=record_id, status="unreadable")


def write(aws: Aws, site: Site, record: Record) -> None:
    """Store the record, over an earlier state of itself."""
    body = json.dumps(dump(record)).encode()
    where = {"Bucket": site.bucket, "Key": _key(site, record.id)}
    aws.call("s3", "PutObject", {**where, "Body": body, "ContentType": "application/json"})


def latest(aws: Aws, site: Site, count: int) -> list[Record]:
    """The last `count` applies, newest first. Other files that lie there are left out."""
    where = {"Bucket": site.bucket, "Prefix": site.history_prefix}
    try:
        objects = aws.pages("s3", "ListObjectsV2", "Contents", **where)
    except NotFound:
        return []  # no bucket yet, so no apply either
    names = (each["Key"].removeprefix(site.history_prefix) for each in objects)
    ids = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    newest = sorted(filter(is_run_id, ids), reverse=True)[:count]
    return [record for record in aws.each(lambda each: _find(aws, site, each), newest) if record]


def judged(records: list[Record], newest_runs: bool) -> list[Record]:
    """`records`, newest first, of which at most the newest still runs: that of whoever holds the lock."""
    return [
        replace(each, status="killed") if each.status == "running" and (number or not newest_runs) else each
        for number, each in enumerate(records)
    ]


def one(aws: Aws, site: Site, record_id: str) -> Record:
    found = _find(aws, site, record_id) if is_run_id(record_id) else None
    if found is None:
        raise RunError(f"there is no record of an apply {record_id}", hint="`lambdactl history` lists them")
    return found


def _find(aws: Aws, site: Site, record_id: str) -> Record | None:
    stored = aws.stored(site.bucket, _key(site, record_id), _LARGEST)
    return parse(stored.content, record_id) if stored else None


def _key(site: Site, record_id: str) -> str:
    return f"{site.history_prefix}{record_id}.json"


def _step(step: Step) -> StepRecord:
    return StepRecord(
        address=str(step.address),
        action=step.action,
        wanted=hash_of(step.wanted),
        bookkeeping=step.bookkeeping,
    )


def _result(step: StepRecord, event: Event | None) -> StepRecord:
    match event:
        case Done(seconds=seconds):
            return replace(step, result="done", seconds=round(seconds, 3))
        case Failed(error=error):
            return replace(step, result="failed", error=str(error)[:_ERROR_MAX])
        case Skipped(because=because):
            return replace(step, result="skipped", because=str(because) if because else STOPPED)
    return step


def _record(document: Mapping[str, Any], record_id: str) -> Record:
    if document["version"] != VERSION:
        raise ValueError("a version that we do not know")
    texts = {name: _text(document, name) for name in ("who", "commit", "command", "fingerprint")}
    return Record(
        id=record_id,
        status=_of(Status, document, "status"),
        started=_time(document, "started"),
        ended=_time(document, "ended"),
        steps=tuple(map(_read_step, document["steps"])),
        **texts,
    )


def _read_step(step: Mapping[str, Any]) -> StepRecord:
    seconds = step["seconds"]
    seconds = None if seconds is None else float(seconds)
    texts = {name: _text(step, name) for name in ("address", "wanted", "error", "because")}
    action, result = _of(Action, step, "action"), _of(Result, step, "result")
    bookkeeping = step.get("bookkeeping") is True
    return StepRecord(action=action, result=result, seconds=seconds, bookkeeping=bookkeeping, **texts)


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _of(values: Any, document: Mapping[str, Any], name: str) -> Any:
    """The value, one of a Literal's."""
    value = document[name]
    if value not in get_args(values):
        raise ValueError(name)
    return value


def _time(document: Mapping[str, Any], name: str) -> datetime | None:
    value = document[name]
    return None if value is None else datetime.fromisoformat(value).astimezone(UTC)
