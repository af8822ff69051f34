"""No spelling of a value gets through, wherever the reads cut it."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.redact import Masked, Redactor

VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=8, max_size=60)
TEXT = st.text(max_size=80)
SPELLINGS = (
    lambda value: value,
    lambda value: json.dumps(value),
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: json.dumps({"nested": json.dumps({"value": value})}),
    lambda value: json.dumps({"of": json.dumps({"a": json.dumps({"tool": value})})}),
    lambda value: quote(value, safe=""),
    lambda value: quote_plus(value),
    lambda value: quote(value, safe="!'()*"),  # encodeURIComponent
    lambda value: quote(value, safe=";,/?:@&=+$#!'()*"),  # encodeURI
    lambda value: quote_plus(value, safe="*").replace("~", "%7E"),  # forms
    lambda value: quote(value, safe="!$%&'()*+,"),  # new URL(): user and password
    lambda value: quote(value, safe="!$%&'()*+,/:;=@[]^|"),  # its path
    lambda value: quote(value, safe="!$%&()*+,/:;=?@[\\]^`{|}"),  # its query
    lambda value: html.escape(value),
    lambda value: json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
    lambda value: value.encode().hex(),
)


@given(value=VALUES, before=TEXT, after=TEXT)
def test_no_spelling_gets_through(value: str, before: str, after: str) -> None:
    redactor = Redactor({"T": value})
    for spell in SPELLINGS:
        masked = redactor.text(f"{before}{spell(value)}{after}")
        assert "***T***" in masked
        assert not redactor.holds(masked.replace("***T***", "\n").encode())


@given(value=st.binary(min_size=12, max_size=60), before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_base64_at_every_alignment(value: bytes, before: bytes, after: bytes) -> None:
    text = base64.b85encode(value).decode()
    redactor = Redactor({"T": text})
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        masked = redactor.content(encode(before + text.encode() + after))
        assert b"***T***" in masked
        # What is left around it tells at most the few bits it shares with its neighbours.
        assert len(masked) - len(b"***T***") <= (len(before) + len(after)) * 4 / 3 + 12


@given(
    values=st.lists(VALUES, min_size=1, max_size=3, unique=True),
    parts=st.lists(TEXT, max_size=6),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=40),
)
def test_where_reads_cut_changes_nothing(values: list[str], parts: list[str], sizes: list[int]) -> None:
    redactor = Redactor({f"T{number}": value for number, value in enumerate(values)})
    text = "".join(f"{part}{value}" for part, value in zip(parts, values * 6, strict=False)).encode(
        errors="surrogatepass"
    )
    whole, chunks = redactor.content(text), []
    for size in sizes:
        chunks.append(text[:size])
        text = text[size:]
    assert b"".join(redactor.chunks([*chunks, text])) == whole
    joined, rest = b"", b""
    for chunk in [*chunks, text]:
        rest += chunk
        cut = redactor.settled(rest)
        joined, rest = joined + redactor.content(rest[:cut]), rest[cut:]
    assert joined + redactor.content(rest) == whole


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.just("of s3cr3t-value in it") | TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
        max_leaves=20,
    )
)
def test_a_document_keeps_its_shape(value: Any) -> None:
    masked = Redactor({"T": "s3cr3t-value"}).value(value)
    assert json.loads(json.dumps(value).replace("s3cr3t-value", "***T***")) == masked


@pytest.mark.parametrize(
    "spelled",
    [
        r"p\u002Bss\u0027w\u0022rd/\u003C\u00E9\u003E\\\uD83D\uDE00",  # .NET
        "p+ss&#39;w&quot;rd/&lt;é&gt;\\😀",
        r"p+ss'w\"rd\/<\u00e9>\\\ud83d\ude00",  # PHP
    ],
)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_spellings_of_other_languages(spelled: str, times: int) -> None:
    """Also as the text of an event, where what a tool printed, or was called with, is JSON once more."""
    for _ in range(times):
        spelled = json.dumps(spelled)[1:-1]
    assert Redactor({"T": "p+ss'w\"rd/<é>\\😀"}).text(f"a{spelled}b") == "a***T***b"


def test_a_key_in_base64_as_gson_spells_it() -> None:
    """It escapes what HTML might take amiss, and many a key ends in one of these."""
    assert (
        Redactor({"T": "bWFkZSB1cCE'<='=="}).text(r"a bWFkZSB1cCE\u0027\u003c\u003d\u0027\u003d\u003d b")
        == "a ***T*** b"
    )


def test_a_value_that_begins_with_another_is_masked_whole() -> None:
    redactor = Redactor({"SHORT": "abcd-efgh", "LONG": "abcd-efgh-ijkl"})
    assert redactor.text("abcd-efgh-ijkl abcd-efgh") == "***LONG*** ***SHORT***"


def test_each_long_line_of_a_key_is_masked() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nshort\n-----END KEY-----\n"
    masked = Redactor({"KEY": key}).text('  "MIIEvQIBADANBgkqhkiG" short')
    assert masked == '  "***KEY***" short'


@pytest.mark.parametrize("value", ["hunter22\n", "\nhunter22", " hunter22 \r\n"])
def test_what_stands_around_a_value_need_not_stand_around_what_it_leaves(value: str) -> None:
    """As in a parameter that was made of a file: a shell's $(...) and a header take it off."""
    redactor = Redactor({"P": value})
    assert redactor.text(f"a:hunter22 {value}") == "a:***P*** ***P***"
    assert redactor.text(base64.b64encode(b"hunter22").decode()) != base64.b64encode(b"hunter22").decode()


def test_what_is_too_short_is_named_and_left() -> None:
    redactor = Redactor({"PIN": "123", "LINE": "12\n\n\n", "EMPTY": ""})
    assert redactor.too_short == ["LINE", "PIN"]
    assert redactor.text("123") == "123"


@given(text=st.binary(max_size=80), sizes=st.lists(st.integers(1, 50), max_size=20))
def test_what_is_read_masked_is_measured(text: bytes, sizes: list[int]) -> None:
    redactor, content = Redactor({"T": "s3cr3t-value"}), text + b"s3cr3t-value" + text
    masked = Masked(redactor, io.BytesIO(content))
    read = b"".join(masked.read(size) for size in sizes) + masked.read()
    assert read == redactor.content(content)
    assert (masked.size, masked.sha256) == (len(read), hashlib.sha256(read).hexdigest())
    assert masked.read() == masked.read(1) == b""


@pytest.mark.parametrize("width", [64, 76])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_in_lines_of_the_usual_widths(width: int, encode: Callable[[bytes], bytes]) -> None:
    """`base64` and `openssl base64` break what they write into lines."""
    value = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(5))
    for end in (b"", b"\n"):  # as of `echo -n` and `echo`
        whole = encode(value.encode() + end)
        lines = b"\n".join(whole[at : at + width] for at in range(0, len(whole), width))
        for text in (lines, json.dumps(lines.decode()).encode()):
            masked = Redactor({"T": value}).content(text)
            assert masked.count(b"***T***") == len(lines.splitlines())
            assert len(masked.replace(b"***T***", b"").strip(b'"\n\\n')) <= 4


def test_binary_content_is_masked_byte_by_byte() -> None:
    content = bytes(range(256)) + b"s3cr3t-value" + bytes(range(255, -1, -1))
    masked = Redactor({"T": "s3cr3t-value"}).content(content)
    assert masked == content.replace(b"s3cr3t-value", b"***T***")
