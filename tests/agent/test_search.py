"""The fast search finds exactly what the plain one does."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from agent.search import SHORTEST, Search

# Two letters only: forms overlap, begin with one another, and lie in the content by themselves.
FORMS = st.lists(st.text("ab", min_size=SHORTEST, max_size=40).map(str.encode), max_size=12)
BYTES = st.lists(st.binary(min_size=SHORTEST, max_size=60), min_size=1, max_size=12)
FILLING = st.lists(st.text("abc", max_size=30).map(str.encode) | st.binary(max_size=20), max_size=8)


def plain(forms: list[bytes], content: bytes) -> list[tuple[int, bytes]]:
    ordered = sorted(set(forms), key=lambda form: (-len(form), form))
    pattern = re.compile(b"|".join(map(re.escape, ordered)) or b"(?!)")
    return [(found.start(), found.group()) for found in pattern.finditer(content)]


@given(forms=FORMS, filling=FILLING, picked=st.lists(st.integers(0, 11), max_size=8))
def test_forms_that_overlap(forms: list[bytes], filling: list[bytes], picked: list[int]) -> None:
    placed = [forms[number % len(forms)] for number in picked] if forms else []
    content = b"".join(itertools.chain(*itertools.zip_longest(filling, placed, fillvalue=b"")))
    assert list(Search(forms).found(content)) == plain(forms, content)


@given(forms=BYTES, filling=st.binary(max_size=40), picked=st.lists(st.integers(0, 11), max_size=5))
def test_any_bytes_at_any_place(forms: list[bytes], filling: bytes, picked: list[int]) -> None:
    content = filling + filling[:7].join(forms[number % len(forms)] for number in picked)
    assert list(Search(forms).found(content)) == plain(forms, content)


@given(form=st.binary(min_size=SHORTEST, max_size=40), before=st.integers(0, 70_000))
def test_far_into_a_long_content(form: bytes, before: int) -> None:
    content = b"\xee" * before + form + b"\xee" * 40
    assert list(Search([form]).found(content)) == plain([form], content)
