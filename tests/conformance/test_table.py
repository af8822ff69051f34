"""docs/fidelity.md says what the rows and the tests say, and no more than is checked."""

from __future__ import annotations

from typing import Any

import pytest

from tests import fidelity
from tests.conformance.marks import Mark, collected
from tests.conformance.rows import Group, Row, groups, read

TEXT = """\
sources: {x: AWS said so}
groups:
  - title: One
    rows:
      - {id: a, lambda: It does., source: [x], here: exact}
"""


def table(**row: Any) -> tuple[Group, ...]:
    values: dict[str, Any] = {"id": "a", "lambda_": "It does.", "sources": ("x",), "here": "exact", **row}
    return (Group("One", (Row(**values),)),)


def mark(**fields: str) -> Mark:
    return Mark(**{"name": "row", "row": "a", "where": "docker", "test": "test_a"} | fields)


def test_the_page_is_what_rows_and_tests_say() -> None:
    assert fidelity.PATH.read_text(encoding="utf-8") == fidelity.written(), "run: python -m tests.fidelity"


def test_rows_say_no_more_than_is_checked_and_no_less() -> None:
    assert list(fidelity.mistakes(groups(), collected())) == []


def test_most_rows_are_checked_on_both_engines() -> None:
    """That the tests are found at all."""
    on = {where: {each.row for each in collected() if each.where == where} for where in ("docker", "podman")}
    assert on["docker"] == on["podman"]
    assert len(on["docker"]) > len(groups())


@pytest.mark.parametrize(
    ("row", "marks", "mistake"),
    [
        ({}, [mark()], ""),
        ({}, [], "row a: `exact`, and no test is marked for it"),
        ({"here": "nearly", "how": "x"}, [], "row a: `nearly`, and no test is marked for it"),
        ({"here": "no", "how": "x"}, [], ""),
        ({"here": "no", "how": "x"}, [mark()], "row a: `no`, but test_a checks it"),
        ({}, [mark(), mark(row="b")], "test_a is marked for the row b, which is not there"),
        ({}, [mark(), mark(name="emulator")], "exactly when a test compares it"),
        ({"emulator": "same"}, [mark()], "exactly when a test compares it"),
        ({"emulator": "same"}, [mark(), mark(name="emulator")], ""),
    ],
)
def test_a_mistake_is_told(row: dict[str, str], marks: list[Mark], mistake: str) -> None:
    found = list(fidelity.mistakes(table(**row), marks))
    assert len(found) == bool(mistake)
    assert mistake in "".join(found)


def test_checked_is_where_the_marked_tests_run() -> None:
    marks = [mark(where="podman"), mark(), mark(where="no container", name="emulator")]
    assert "| It does. | exact | docker, podman | x |" in fidelity.page(table(), marks).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("here: exact", "here: maybe", "row a: `here` is 'maybe', not one of exact, nearly, no"),
        ("here: exact", "here: nearly", "row a: `how` belongs to what is not exact"),
        ("here: exact", "here: exact, how: so", "row a: `how` belongs to what is not exact"),
        ("[x]", "[y]", "row a: no source y"),
        ("AWS said so}", "AWS said so, y: and so}", "sources of no row: y"),
        (
            "    rows:\n",
            "    rows:\n      - {id: a, lambda: It., source: [x], here: exact}\n",
            "twice in rows.yaml: a",
        ),
    ],
)
def test_a_bad_row_is_refused(old: str, new: str, error: str) -> None:
    read(TEXT)
    with pytest.raises(ValueError, match=error.replace("[", r"\[")):
        read(TEXT.replace(old, new))
