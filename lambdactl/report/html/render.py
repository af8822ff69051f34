"""Draws a report as one HTML page that needs nothing else. Pure.

Two walls keep what an agent wrote from doing anything: every value is escaped where it is put in
(`_clean` shows controls, then the template language escapes by default), and the page's policy lets it
run and fetch nothing at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lambdactl.report.escape import terminal
from lambdactl.report.html.picture import length, time_of
from lambdactl.report.html.report import Report
from lambdactl.report.html.values import Row, mapping, number, objects, short

# The beginning of a page of ours: what has it may be written over.
MARK = '<!doctype html>\n<html lang="en" data-made-by="lambdactl show --html">'
_TONES = {"succeeded": "good", "running": "going", "queued": "going", "cancelled": "wait"}


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    value: str
    more: str = ""


def render(report: Report) -> str:
    run = report.folder.run
    template = _environment().get_template("page.html")
    css = _css()
    return template.render(
        report=report,
        job=short(run.job),
        state=short(run.state),
        tone=_TONES.get(run.state, "bad"),
        standing=_standing(report),
        facts=list(_facts(report)),
        contents=list(_contents(report)),
        picture=report.picture,
        calls=sum(each.calls for each in report.story.tools.values()),
        span=report.picture.span if report.picture else 0,
        css=Markup(css),  # noqa: S704 - our own file
        policy=policy(css),
    )


def policy(css: str) -> str:
    """Nothing may run, load or be sent; of styles this one alone. No frame, form or base either."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    parts = ("default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:")
    return "; ".join((*parts, "base-uri 'none'", "form-action 'none'"))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("lambdactl.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "length_of": length,
        "time_of": time_of,
        "when": _when,
        "took": _took,
        "amount": _amount,
        "from_": lambda row, span: f"{min(99.0, row.at / span * 100):.2f}",
        "wide": lambda row, span: f"{max(1.0, (row.took or 0) / span * 100):.2f}",
    }
    return made


def _css() -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), "page.css")[0]


def _clean(value: Any) -> Any:
    """Controls, and marks that hide or reorder text, are shown; markup of ours has been through here."""
    return terminal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _standing(report: Report) -> str:
    state, now = report.folder.run.state, _when(report.folder.now)
    return f"It is {state} as of {now}: this is what was there." if state in ("running", "queued") else ""


def _facts(report: Report) -> Iterator[Fact]:
    run, result = report.folder.run, report.folder.run.result
    usage = mapping(result.get("usage"))
    if run.started:
        yield Fact("Started", f"{run.started:%Y-%m-%d}", f"{run.started:%H:%M:%S} UTC")
    if report.seconds is not None:
        yield Fact("Took", length(max(0.0, report.seconds)))
    if (turns := result.get("turns")) is not None:
        yield Fact("Turns", f"{number(turns):,.0f}")
    if legs := objects(result.get("legs")):
        yield Fact("Legs", f"{len(legs)}")
    if report.cost is not None:
        yield Fact("Cost", _amount(report.cost, "USD"))
    if any(usage.values()):
        sent = sum(number(usage.get(name)) for name in ("inputTokens", "cacheReadTokens", "cacheWriteTokens"))
        cached = number(usage.get("cacheReadTokens"))
        yield Fact("Tokens in", f"{sent:,.0f}", f"{cached:,.0f} from the cache" if cached else "")
        yield Fact("Tokens out", f"{number(usage.get('outputTokens')):,.0f}")
    if agent := report.agent["type"]:
        words = (report.agent[name] for name in ("version", "model"))
        yield Fact("Agent", agent, " · ".join(each for each in words if each))
    if code := result.get("signal") or result.get("exitCode"):
        yield Fact("Ended with", f"exit code {code}" if isinstance(code, int) else short(code))


def _contents(report: Report) -> Iterator[tuple[str, str]]:
    for there, id_, name in (
        (report.output, "output", "Output"),
        (report.notes or report.gaps, "notes", "Notes"),
        (True, "prompt", "Command" if report.command else "Prompt"),
        (report.picture, "picture", "Over time"),
        (report.story.rows, "timeline", "Timeline"),
        (report.patch and report.patch.files, "changes", "Files changed"),
        (report.servers, "servers", "MCP servers"),
        (report.stdout, "stdout", "Standard output"),
        (report.stderr, "stderr", "Standard error"),
        (report.files, "files", "Files"),
    ):
        if there:
            yield id_, name


def _took(row: Row) -> str:
    if row.open:
        return "not over"
    return "duration unknown" if row.took is None else length(row.took)


def _amount(value: float, unit: str) -> str:
    return f"${value:,.4f}" if unit == "USD" else f"{value:,.0f}"


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
