"""Schedules: what EventBridge Scheduler would refuse, and how to write it instead. Pure.

Sources: botocore's model of `scheduler` for the numbers; AWS's user guide for the grammar of
expressions ("Schedule types in EventBridge Scheduler", "Cron expressions reference"). Where the guide
leaves room (a range that runs backwards), the expression passes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.durations import seconds
from lambdactl.manifest.finding import Finding, dotted, shown
from lambdactl.manifest.job import Schedule
from lambdactl.site import NAME_MAX, SCHEDULE_ROLE_SUFFIX

_EXPRESSION_MAX = 256  # ScheduleExpression
_ZONE_MAX = 50  # ScheduleExpressionTimezone
_WINDOW = (1, 1440)  # MaximumWindowInMinutes
INPUT_MAX = 256 * 1024  # bytes; Target, Input: "The maximum size of the Input field is 256 KB"

Fault = tuple[str, str]  # what is wrong, and its cure
_FORMS = "write cron(0 6 ? * MON-FRI *), rate(1 hour) or at(2026-12-01T06:00:00)"
_FIELDS = "cron(minutes hours day-of-month month day-of-week year), as in cron(0 6 ? * MON-FRI *)"
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One of cron's fields: numbers or names, and what may stand in it alone."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    alone: str = ""  # a regular expression
    steps: bool = True
    hint: str

    def takes(self, text: str) -> bool:
        alone = bool(self.alone) and re.fullmatch(self.alone, text) is not None
        return alone or all(map(self._item, text.split(",")))

    def _item(self, text: str) -> bool:
        base, slash, step = text.partition("/")
        if slash and not (self.steps and _number(step, 1, self.high)):
            return False
        return base == "*" or all(map(self._value, base.split("-", 1)))

    def _value(self, text: str) -> bool:
        return text in self.names or _number(text, self.low, self.high)


_CRON = (
    _Field(name="minutes", low=0, high=59, hint="0 to 59, with , - * /"),
    _Field(name="hours", low=0, high=23, hint="0 to 23, with , - * /"),
    _Field(
        name="day-of-month",
        low=1,
        high=31,
        alone=r"\?|L|LW|L-([1-9]|[12][0-9]|30)|([1-9]|[12][0-9]|3[01])W",
        hint="1 to 31, with , - * /, or ?, L (the last day), 15W (the weekday nearest to the 15th)",
    ),
    _Field(name="month", low=1, high=12, names=tuple(_MONTHS), hint="1 to 12 or JAN to DEC, with , - * /"),
    _Field(
        name="day-of-week",
        low=1,
        high=7,
        names=tuple(_DAYS),
        alone=rf"\?|L|([1-7]|{'|'.join(_DAYS)})(L|#[1-5])",
        steps=False,
        hint="SUN to SAT or 1 (SUN) to 7 (SAT), with , - *, or ?, FRIL (the last Friday), TUE#2 (the second)",
    ),
    _Field(name="year", low=1970, high=2199, hint="1970 to 2199, with , - * /"),
)


def expression(draft: Draft) -> Iterator[Finding]:
    value = draft.value.get("schedule")
    text = value if isinstance(value, str) else _schedule(draft).get("expression")
    if value is not None and text is None:
        yield Finding(("schedule", "expression"), "schedule.expression is missing", "add `expression:`")
    elif text is not None and (fault := expression_fault(text)):
        path = ("schedule",) if isinstance(value, str) else ("schedule", "expression")
        yield Finding(path, f"{dotted(path)} {fault[0]}", fault[1])


def timezone(draft: Draft) -> Iterator[Finding]:
    schedule, path = _schedule(draft), ("schedule", "timezone")
    zone = schedule.get("timezone", "UTC")
    if zone not in _zones() or len(zone) > _ZONE_MAX:
        near = difflib.get_close_matches(zone, _zones(), n=1)
        hint = f"did you mean {near[0]}?" if near else "write an IANA name, as in Europe/Berlin"
        yield Finding(path, f"{shown(zone)} is not a time zone", hint)
    elif zone != "UTC" and schedule.get("expression", "").startswith("rate("):
        what = "a rate has no time zone: it counts from the schedule's creation"
        yield Finding(path, what, "remove it, or use cron(...) for a time of the day")


def window(draft: Draft) -> Iterator[Finding]:
    text = _schedule(draft).get("flexibleWindow")
    duration = seconds(text) if text is not None else None
    low, high = _WINDOW
    if duration is not None and (duration % 60 or not low <= duration // 60 <= high):
        what = f"schedule.flexibleWindow {text} is not what Scheduler takes"
        yield Finding(("schedule", "flexibleWindow"), what, "use whole minutes, 1m to 24h")


def input_size(draft: Draft) -> Iterator[Finding]:
    value = _schedule(draft).get("input")
    size = len(Schedule(expression="", input=value).event.encode())
    if size > INPUT_MAX:
        what = f"schedule.input has {size} bytes as JSON; Scheduler takes {INPUT_MAX}"
        yield Finding(("schedule", "input"), what, "put it into the bucket or a file of `include`")


def role_name(draft: Draft) -> Iterator[Finding]:
    """The name of the role that Scheduler assumes is the longest of a job's."""
    full = f"{draft.project.name}-{draft.project.environment}-{draft.name}{SCHEDULE_ROLE_SUFFIX}"
    over = len(full) - NAME_MAX
    if "schedule" in draft.value and 0 < over <= len(SCHEDULE_ROLE_SUFFIX):  # else names.job_name says it
        what = f"the schedule's role {full} has {len(full)} characters; IAM allows {NAME_MAX}"
        yield Finding(("schedule",), what, f"shorten the file's name by {over}", key=True)


def expression_fault(text: str) -> Fault | None:
    """What is wrong with a schedule expression, or None. The text itself is not checked for its time."""
    if len(text) > _EXPRESSION_MAX:
        return f"has {len(text)} characters; Scheduler takes {_EXPRESSION_MAX}", "shorten it"
    match = re.fullmatch(r"(cron|rate|at)\((.*)\)", text)
    if match is not None:
        return _KINDS[match[1]](match[2])
    if len(text.split()) in (5, 6):
        return f"is {shown(text)}, which lacks its cron(...)", f"Scheduler's has six fields: {_FIELDS}"
    return f"is {shown(text)}, which is no schedule", _FORMS


def _cron(text: str) -> Fault | None:
    given = text.split()
    if len(given) != len(_CRON):
        return f"has {len(given)} fields; Scheduler's cron has six", f"write {_FIELDS}"
    for field, part in zip(_CRON, given, strict=True):
        if not field.takes(part):
            return f"has {shown(part)} for its {field.name}", f"use {field.hint}; names in capitals"
    if (given[2] == "?") == (given[4] == "?"):
        what = "must have a ? for exactly one of day-of-month and day-of-week"
        return what, "cron(0 6 ? * MON-FRI *) goes by weekday, cron(0 6 1 * ? *) by date"
    return None


def _rate(text: str) -> Fault | None:
    match = re.fullmatch(r"([1-9][0-9]*) (minute|hour|day)(s?)", text)
    if match is None:
        return f"has {shown(text)} for its rate", "write rate(15 minutes), rate(1 hour) or rate(7 days)"
    number, unit, plural = match.groups()
    if (number == "1") == (plural == "s"):
        right = f"rate({number} {unit}{'' if number == '1' else 's'})"
        return f"has {shown(text)} for its rate", f"write {right}"
    return None


def _at(text: str) -> Fault | None:
    form = "write the local time to the second, as in at(2026-12-01T06:00:00)"
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(.*)", text, re.ASCII)
    if match is None:
        return f"has {shown(text)} for its date", form
    if match[2]:
        return f"has {shown(match[2])} after its date", f"{form}; the zone goes into `timezone`"
    try:
        datetime.fromisoformat(match[1])
    except ValueError:
        return f"has {shown(text)}, a date that does not exist", form
    return None


_KINDS: Mapping[str, Callable[[str], Fault | None]] = MappingProxyType(
    {"cron": _cron, "rate": _rate, "at": _at}
)


def _schedule(draft: Draft) -> Mapping[str, Any]:
    """The long form; empty for the short one, which has nothing but its expression."""
    value = draft.value.get("schedule")
    return value if isinstance(value, dict) else {}


def _number(text: str, low: int, high: int) -> bool:
    return re.fullmatch(r"[0-9]{1,4}", text) is not None and low <= int(text) <= high


@cache
def _zones() -> frozenset[str]:
    """IANA's names out of the package: zoneinfo's own list is the machine's, and may be empty."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())
