"""Writes docs/fidelity.md from conformance/rows.yaml and the tests' marks: `python -m tests.fidelity`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conformance.marks import Mark, collected
from tests.conformance.rows import Group, Row, groups
from tests.support.rie import VERSION

PATH = Path(__file__).parents[1] / "docs" / "fidelity.md"
HEAD = """\
# Lambda, and here

What Lambda does that concerns an image function, and what [`run-local`](run-local.md) makes of it. Written by `python -m tests.fidelity` from `tests/conformance/rows.yaml` and the tests; a test fails when a row says more than is checked.

*checked* names where the row's tests run, in the same `make check` as everything else: on `docker`, on `podman`, on one engine (the one that lambdactl chooses), or without a container (a part of `run-local` alone, most often its Runtime API server). Tests on an engine run a real `awslambdaric` function in an unmodified image. What Lambda does we know from the sources that are named (*users' reports*: AWS does not document it), not from an account of ours.
"""
EMULATOR = f"""\
## AWS's own emulator

AWS's Runtime Interface Emulator (`aws-lambda-rie` of aws-sam-cli {VERSION}) runs the same test image, and gets the same events. Where it is right, its answers are compared with ours; where it differs from Lambda, a test asserts the difference, and fails when AWS mends it.

| behaviour | the emulator |
|---|---|"""
WHERE = ("docker", "podman", "one engine", "no container")


def page(table: Sequence[Group], marks: Sequence[Mark]) -> str:
    """The whole page."""
    rows = [row for group in table for row in group.rows]
    lines = [HEAD, _summary(rows), ""]
    for group in table:
        lines += [f"## {group.title}", "", "| Lambda | here | checked | known from |", "|---|---|---|---|"]
        lines += [*(_row(row, marks) for row in group.rows), ""]
    lines += [EMULATOR, *_emulator(rows), ""]
    return "\n".join(lines)


def mistakes(table: Sequence[Group], marks: Sequence[Mark]) -> Iterator[str]:
    """What rows and tests say differently."""
    rows = {row.id: row for group in table for row in group.rows}
    for mark in marks:
        if mark.row not in rows:
            yield f"{mark.test} is marked for the row {mark.row}, which is not there"
    for row in rows.values():
        tests = [mark.test for mark in marks if (mark.name, mark.row) == ("row", row.id)]
        if row.here != "no" and not tests:
            yield f"row {row.id}: `{row.here}`, and no test is marked for it"
        if row.here == "no" and tests:
            yield f"row {row.id}: `no`, but {tests[0]} checks it"
        compared = any((mark.name, mark.row) == ("emulator", row.id) for mark in marks)
        if compared is not bool(row.emulator):
            yield f"row {row.id}: what the emulator does is said in a row exactly when a test compares it"


def _summary(rows: Sequence[Row]) -> str:
    of = {here: sum(row.here == here for row in rows) for here in ("exact", "nearly", "no")}
    return f"{len(rows)} rows: {of['exact']} exact, {of['nearly']} nearly, {of['no']} not."


def _row(row: Row, marks: Sequence[Mark]) -> str:
    here = {"exact": "exact", "nearly": f"nearly: {row.how}", "no": f"**no**: {row.how}"}[row.here]
    return f"| {row.lambda_} | {here} | {_checked(row, marks)} | {'; '.join(row.sources)} |"


def _checked(row: Row, marks: Sequence[Mark]) -> str:
    found = {mark.where for mark in marks if (mark.name, mark.row) == ("row", row.id)}
    return ", ".join(where for where in WHERE if where in found)


def _emulator(rows: Sequence[Row]) -> Iterator[str]:
    return (f"| {row.lambda_} | {row.emulator} |" for row in rows if row.emulator)


def written() -> str:
    return page(groups(), collected())


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
    for each in mistakes(groups(), collected()):
        sys.stderr.write(f"{each}\n")
    sys.stdout.write(f"{PATH}\n")
