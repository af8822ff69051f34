"""A page of a stream far larger than memory: read once, in bounded memory, and what was left out is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lambdactl.report import html
from lambdactl.report.html.lines import ends, last_parts, lines
from tests.report.pages import Page, folder

ROOT = Path(__file__).parents[2]


def test_a_stream_of_500_mb_in_little_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.report.large"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) < 30 << 20


def test_lines_are_the_same_however_they_come() -> None:
    content = b"one\n\ntwo\r\n" + b"long" * 10 + b"\nrest"
    for size in (1, 3, 7, 1000):
        chunks = [content[at : at + size] for at in range(0, len(content), size)]
        assert list(lines(chunks, 20)) == [b"one", b"", b"two\r", None, b"rest"]
    assert list(lines([b"x" * 30], 20)) == [None]
    assert list(lines([])) == []


def test_the_ends_of_a_stream() -> None:
    assert ends([b"abc", b"def"], 4, 4).text == "abcdef"
    found = ends([b"abcdef", b"ghijkl"], 3, 3)
    assert (found.text, found.left_out, found.end) == ("abc", 6, "jkl")
    assert ends([], 3, 3).text == ""
    sizes = {"a": 10, "b": 10, "c": 10}
    assert last_parts(["a", "b", "c"], sizes, 15) == (["b", "c"], 10)
    assert last_parts([], sizes, 15) == ([], 0)


def test_a_patch_that_is_huge_cut_off_or_none() -> None:
    hunk = b"@@ -1 +1,100000 @@\n-x\n" + b"+diff --git a/no b/no\n" * 10_000
    patch = b"diff --git a/one b/one\n--- a/one\n+++ b/one\n" + hunk
    more = b"".join(b"diff --git a/f%d b/f%d\nBinary files differ\n" % (n, n) for n in range(400))
    huge, many = (
        Page(html.page(folder({"artifacts/workspace.patch": content}))).text for content in (patch, more)
    )
    assert "# Files changed 1 +10,000 −1\n" in huge
    assert "… 6,002 lines left out …" in huge
    assert "f0 +0 −0 binary" in many
    assert "… 100 files left out …" in many
    lying = patch.replace(b"@@ -1 +1,100000 @@", b"@@ -1,99 +1,99 @@").replace(
        b"+diff --git a/no b/no\n" * 9_990, b""
    )
    assert "# Files changed 2 " in Page(html.page(folder({"artifacts/workspace.patch": lying + patch}))).text
    none = Page(html.page(folder({"artifacts/workspace.patch": b"\x00\xff not a patch\n+x"}))).text
    assert "# Files changed" not in none


def test_many_files_are_counted() -> None:
    text = Page(html.page(folder({}, files=[(f"artifacts/{n}", n) for n in range(3_000)]))).text
    assert "# Files 3,000" in text
    assert "1,000 files left out" in text
