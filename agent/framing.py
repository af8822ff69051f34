"""Cuts a byte stream into lines, whatever the size of its reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator

LONGEST = 1 << 20  # bytes; a longer line, as of a screenshot in base64, is kept, masked, and not parsed


class Lines:
    """Feed it reads, get whole lines without their end. A line over `longest` is dropped and counted."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0
        self.dropped = 0

    def feed(self, content: bytes) -> Iterator[bytes]:
        *whole, rest = content.split(b"\n")
        for part in whole:
            self._add(part)
            yield from self.close()
        self._add(rest)

    def close(self) -> Iterator[bytes]:
        """The line begun so far, if there is one."""
        if self._size > self._longest:
            self.dropped += 1
        elif self._size:
            yield b"".join(self._parts).rstrip(b"\r")
        self._parts, self._size = [], 0

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._parts = []
        elif part:
            self._parts.append(part)
