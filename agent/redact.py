"""Masks every known secret value in whatever leaves. Pure, but for `Masked`, which reads a file.

A value is found as it is and as JSON, URLs, HTML, base64 (at each of its three alignments) and hexadecimal
spell it. What compresses, encrypts or splits it hides it from us: this is a net, not a wall.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, quote_plus

from agent.search import Search

SHORTEST = 4  # characters; masking every "1" would leave nothing to read
SHORTEST_LINE = 12  # characters of one line of a value of several lines, as of a PEM key
# What is left as it is in a URL: by Python, encodeURIComponent, forms, Go's paths, encodeURI; and by
# new URL() in a password, a path and a query: https://url.spec.whatwg.org/#percent-encoded-bytes
URL_SAFE = (
    *("", "/", "!'()*", "*", "$&+=:@", ";,/?:@&=+$#!'()*"),
    *("!$%&'()*+,", "!$%&'()*+,/:;=@[]^|", "!$%&()*+,/:;=?@[\\]^`{|}"),
)
NESTED = 2  # times that JSON is within JSON: what a tool was called with in an event, and JSON in that
WRAPPED = (64, 76)  # characters of a line of base64 by PEM and openssl, by MIME and coreutils
CHUNK = 256 << 10  # bytes that are read and masked at once


class Redactor:
    """Replaces values by `***NAME***`. `too_short` names the secrets it cannot mask."""

    def __init__(self, values: Mapping[str, str]) -> None:
        short = (name for name, value in values.items() if value and len(value.strip()) < SHORTEST)
        self.too_short = sorted(short)
        marks: dict[bytes, bytes] = {}
        for name, value in sorted(values.items()):
            if len(value) >= SHORTEST:
                for form in forms(value):
                    marks.setdefault(form, f"***{name}***".encode())
        self._marks = marks
        self._search = Search(marks)
        self.longest = max(map(len, marks), default=0)
        self._begins: dict[int, list[bytes]] = {}
        for form in sorted(marks):
            self._begins.setdefault(form[0], []).append(form)

    def content(self, content: bytes) -> bytes:
        return self._masked(content, len(content))[0] if self._marks else content

    def text(self, text: str) -> str:
        if not self._marks:
            return text
        return self.content(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def brief(self, text: str, most: int = 2_000) -> str:
        """At most so many characters, masked before they are cut: half a value is not found any more. So
        whoever makes a text of what an agent may have written, does not cut it."""
        return self.text(text)[:most]

    def name(self, path: str) -> str:
        """That of a file of the agent's: it may hold a value, and need not be UTF-8."""
        return self.text(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))

    def value(self, value: Any, *, numbers: bool = False) -> Any:
        """A JSON value with every string in it masked, keys too; its shape stays. `numbers`: one that spells
        a secret becomes its mark, which only what an agent made can bear."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.value(each, numbers=numbers) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(each, numbers=numbers) for each in value]
        if numbers and isinstance(value, (int, float)):
            spelled = json.dumps(value)
            return value if (masked := self.text(spelled)) == spelled else masked
        return value

    def holds(self, content: bytes) -> bool:
        return any(self._search.found(content))

    def before(self, content: bytes) -> int:
        """How much of `content` can be masked, whatever follows. Cheap: as much as a value is long stays."""
        return self._masked(content, max(0, len(content) - self.longest + 1))[1]

    def settled(self, content: bytes) -> int:
        """The same, exactly: only what may be the beginning of a value stays, of most texts nothing."""
        for at in range(max(0, len(content) - self.longest + 1), len(content)):
            forms, tail = self._begins.get(content[at], ()), content[at:]
            if any(len(form) > len(tail) and form.startswith(tail) for form in forms):
                return self._masked(content, at)[1]
        return len(content)

    def chunks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same as `content` of all chunks joined, also where a value lies across a border."""
        if not self._marks:
            yield from chunks
            return
        rest = b""
        for chunk in chunks:
            rest += chunk
            # What begins before this lies in `rest` whole.
            masked, read = self._masked(rest, max(0, len(rest) - self.longest + 1))
            yield masked
            rest = rest[read:]
        yield self.content(rest)

    def _masked(self, content: bytes, until: int) -> tuple[bytes, int]:
        """What begins before `until`, masked, and how far it reaches in `content`."""
        parts: list[bytes] = []
        position = 0
        for start, form in self._search.found(content):
            if start >= until:
                break
            parts += content[position:start], self._marks[form]
            position = start + len(form)
        end = max(position, until)
        return b"".join((*parts, content[position:end])), end


class Masked:
    """Reads `source` masked, a little at a time; `size` and `sha256` are of what was read so far."""

    def __init__(self, redactor: Redactor, source: BinaryIO) -> None:
        self._chunks = redactor.chunks(iter(lambda: source.read(CHUNK), b""))
        self._ready = bytearray()
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end; all with a negative number."""
        while size < 0 or len(self._ready) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._ready += chunk
        with memoryview(self._ready) as ready:  # a slice of its own would be one more copy
            taken = bytes(ready if size < 0 else ready[:size])
        del self._ready[: len(taken)]
        self._digest.update(taken)
        self.size += len(taken)
        return taken


def forms(value: str) -> set[bytes]:
    """Every spelling of `value` that is masked, itself included."""
    found = set(_spelled(value)) | set(_spelled(value.strip()))
    for line in value.splitlines():
        if len(line.strip()) >= SHORTEST_LINE:
            found |= set(_spelled(line.strip()))
    return {form.encode("utf-8", "surrogatepass") for form in found if len(form) >= SHORTEST}


def _spelled(value: str) -> Iterator[str]:
    yield value
    inner = {*_as_json(value), *_as_html(value)}
    for _ in range(NESTED):
        yield from inner
        inner = {each for form in inner for each in _dumped(form)}
    yield from inner
    content = value.encode("utf-8", "surrogatepass")
    for safe in URL_SAFE:
        for escaped in (quote(content, safe), quote_plus(content, safe)):
            yield escaped
            yield re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), escaped)
            yield escaped.replace("~", "%7E")
    yield content.hex()
    yield content.hex().upper()
    yield from _base64(content)


def _as_json(value: str) -> Iterator[str]:
    for once in _dumped(value):
        yield once
        yield once.replace("/", "\\/")  # PHP
        yield re.sub("[<>&]", _in_escapes, once)  # Go's encoder, and some of JavaScript's
        yield re.sub("[<>&=']", _in_escapes, once)  # Gson
    # .NET
    yield re.sub(r"""["'`<>&+]|[^\0-\x7f]""", _in_capitals, value.replace("\\", "\\\\"))


def _as_html(value: str) -> Iterator[str]:
    yield html.escape(value)
    yield html.escape(value).replace("&#x27;", "&#39;")
    yield html.escape(value, quote=False)


def _dumped(text: str) -> Iterator[str]:
    yield from (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))


def _in_capitals(found: re.Match[str]) -> str:
    return _in_escapes(found).upper().replace("\\U", "\\u")


def _in_escapes(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _base64(content: bytes) -> Iterator[str]:
    """The characters of base64 that depend on `content` alone, whatever stands around it."""
    for before, touched in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(content)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(b"\0" * before + content).decode()[touched:whole]
            if len(core) >= 2 * SHORTEST:
                yield core
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        core = encode(content).decode()[: len(content) * 8 // 6]
        for width in WRAPPED:
            if len(core) > width:
                lines = (core[at : at + width] for at in range(0, len(core), width))
                yield from (line for line in lines if len(line) >= SHORTEST_LINE)
