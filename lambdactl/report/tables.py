"""Plain columns: they survive a narrow terminal, `grep` and `cut`. No printing, no AWS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from lambdactl.report.escape import line
from lambdactl.secrets import Parameter


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Text:
    safe = [[line(cell, 1000) for cell in row] for row in rows]  # one line each: a row is no two rows
    widths = [max(len(row[index]) for row in [list(head), *safe]) for index in range(len(head))]
    text = Text()
    for number, row in enumerate([list(head), *safe]):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        text.append("  ".join(cells).rstrip() + "\n", style="bold" if number == 0 else "")
    return text


def parameters(found: Sequence[Parameter], now: datetime | None = None) -> Text:
    if not found:
        return Text("no job declares a secret")
    today = now or datetime.now(UTC)
    rows = []
    for each in found:
        age = f"{(today - each.modified).days} days" if each.modified else "-"
        version = str(each.version) if each.exists else "MISSING"
        rows.append((each.name, version, each.type or "-", age, ", ".join(each.jobs)))
    return columns(("PARAMETER", "VERSION", "TYPE", "AGE", "JOBS"), rows)
