"""Finds many byte strings in one pass over the content. Pure, and knows nothing of secrets.

The content is read as an array of words of 8 bytes, each looked up among the known ones: a form of 15
bytes or more, wherever it lies, holds a whole word of the array that begins within its first 8 bytes.
Only where such a word lies are the forms compared. Shorter forms have words of 4 or 2 bytes, in a pass
of their own. An alternation of the same forms as a regular expression took 15 to 150 times as long.
"""

from __future__ import annotations

import heapq
import sys
from array import array
from collections.abc import Collection, Iterator
from itertools import compress, count

SHORTEST = 3  # bytes of a form
_WORDS = (("Q", 8), ("I", 4), ("H", 2))  # an array's type code, its bytes
_BLOCK = 4096  # words that are looked up at once


class Search:
    """`found` is what `re.finditer` finds of an alternation of `forms` in which the longest come first."""

    def __init__(self, forms: Collection[bytes]) -> None:
        assert all(len(form) >= SHORTEST for form in forms)
        rest, self._passes = set(forms), []
        for code, size in _WORDS:
            if long := {form for form in rest if len(form) >= 2 * size - 1}:
                self._passes.append(_Pass(code, size, sorted(long)))
            rest -= long

    def found(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Where each form begins, from the left; of several that overlap the first, then the longest."""
        free = 0
        for start, _, form in heapq.merge(*(each.occurrences(content) for each in self._passes)):
            if start >= free:
                yield start, form
                free = start + len(form)


class _Pass:
    def __init__(self, code: str, size: int, forms: list[bytes]) -> None:
        self._code, self._size = code, size
        self._known: dict[int, list[tuple[int, bytes]]] = {}  # word -> where in which form it is
        for form in forms:
            for offset in range(size):
                word = int.from_bytes(form[offset : offset + size], sys.byteorder)
                self._known.setdefault(word, []).append((offset, form))
        self._words = frozenset(self._known)

    def occurrences(self, content: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Every one as (start, -length, form), in order: those of a word begin behind the word before."""
        words = array(self._code, content[: len(content) // self._size * self._size])
        for first in range(0, len(words), _BLOCK):
            block = words[first : first + _BLOCK]
            if not self._words.isdisjoint(block):
                for index in compress(count(first), map(self._words.__contains__, block)):
                    yield from self._beside(content, index * self._size, words[index])

    def _beside(self, content: bytes, at: int, word: int) -> list[tuple[int, int, bytes]]:
        return sorted(
            (at - offset, -len(form), form)
            for offset, form in self._known[word]
            if offset <= at and content.startswith(form, at - offset)
        )
