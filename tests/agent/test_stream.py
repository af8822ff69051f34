"""A file that grows, in masked parts: whatever is written when, the parts joined are the file, masked."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.redact import Redactor
from agent.result import StoredFile
from agent.stream import FRESH, KNOWN, PART, Part, Source, Stream

SECRET = "s3cr3t-value"
NOTHING = Redactor({})


def stored(part: Part) -> StoredFile:
    digest = hashlib.sha256(part.content).hexdigest()
    return StoredFile(path=part.name, size=len(part.content), sha256=digest, content_type="text/plain")


def taken(stream: Stream, *, last: bool = False) -> bytes:
    """All parts there are now."""
    found = b""
    while part := stream.part(0, last=last):
        assert part is stream.part(0, last=last)  # until it is stored
        found += part.content
        stream.done(stored(part))
    return found


def stream(path: Path, redactor: Redactor = NOTHING, below: Path | None = None) -> Stream:
    return Stream(Source(folder="stdout", suffix=".log", path=path, below=below), redactor)


@given(
    pieces=st.lists(
        st.sampled_from([SECRET, SECRET[:5], SECRET[5:], "\n", "word ", "c3Itd", "***", "s"]), max_size=40
    ),
    looks=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_parts_joined_are_the_file_masked(pieces: list[str], looks: list[bool]) -> None:
    redactor = Redactor({"T": SECRET, "LONGER": f"{SECRET}\nand more"})
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        reading, found = stream(Path(file.name), redactor), b""
        for piece, look in zip(pieces, looks, strict=False):
            file.write(piece.encode())
            if look:
                found += taken(reading)
        found += taken(reading, last=True)
    assert found == redactor.content("".join(pieces).encode())


def test_parts_end_with_lines_where_they_can(tmp_path: Path) -> None:
    file = tmp_path / "file"
    reading = stream(file)
    file.write_bytes(b"one\ntwo\nthr")
    assert taken(reading) == b"one\ntwo\nthr"  # half a line, rather than nothing, when there is no more
    assert [part.size for part in reading.stored] == [8, 3]
    with file.open("ab") as more:
        more.write(b"ee\n" + b"x" * PART + b"\nend")
    joined = taken(reading, last=True)
    assert joined == b"ee\n" + b"x" * PART + b"\nend"
    names = [part.path for part in reading.stored]
    assert names == [f"stdout/{number:06}.log" for number in range(1, len(names) + 1)]
    assert max(part.size for part in reading.stored) <= 8 << 20


def test_what_may_become_a_value_waits_and_nothing_else(tmp_path: Path) -> None:
    file, redactor = tmp_path / "file", Redactor({"T": SECRET, "KEY": "k" * 4000})
    reading = stream(file, redactor)
    file.write_bytes(b"a line\n" + SECRET[:-1].encode())
    assert taken(reading) == b"a line\n"
    with file.open("ab") as more:
        more.write(SECRET[-1:].encode())
    assert taken(reading) == b"***T***"


def test_a_part_is_due_at_its_age_or_its_size(tmp_path: Path) -> None:
    file = tmp_path / "file"
    reading = stream(file)
    reading.look(0)
    assert not reading.due(0)
    file.write_bytes(b"x\n")
    reading.look(10)
    assert not reading.due(10 + FRESH / 2)
    assert reading.due(10 + FRESH)
    file.write_bytes(b"x" * (1 << 20))
    reading.look(11)
    assert reading.due(11)


def test_an_empty_stream_is_one_empty_part(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reading = stream(tmp_path / "file")
    assert taken(reading) == b""
    assert reading.stored == []
    assert taken(reading, last=True) == b""
    assert [part.size for part in reading.stored] == [0]


def truncate(file: Path) -> None:
    file.write_bytes(b"new\n")


def replace(file: Path) -> None:
    aside = file.with_name("aside")
    aside.write_bytes(b"new\n" + b"y" * 200)
    os.replace(aside, file)


def rewrite(file: Path) -> None:
    """The same file, longer than before, with another beginning."""
    with file.open("r+b") as whole:
        whole.write(b"new\n" + b"z" * 200)


@pytest.mark.parametrize("change", [truncate, replace, rewrite])
def test_a_file_that_is_not_the_one_any_more_starts_over(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old\n" + b"x" * KNOWN)
    reading = stream(file)
    first = taken(reading)
    change(file)
    assert taken(reading, last=True) == file.read_bytes()
    assert first == b"old\n" + b"x" * KNOWN
    assert reading.restarts == 1


def test_a_file_that_vanishes_keeps_what_was_taken(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old\n")
    reading = stream(file)
    assert taken(reading) == b"old\n"
    file.unlink()
    reading.look(0)
    assert (taken(reading, last=True), reading.restarts, reading.backlog) == (b"", 0, 0)


def link_file(folder: Path, outside: Path) -> None:
    (folder / "a" / "log").symlink_to(outside / "log")


def link_folder(folder: Path, outside: Path) -> None:
    (folder / "a").rmdir()
    (folder / "a").symlink_to(outside)


def link_root(folder: Path, outside: Path) -> None:
    (folder / "a").rmdir()
    folder.rmdir()
    (outside / "a").mkdir()
    (outside / "log").rename(outside / "a" / "log")
    folder.symlink_to(outside)


def pipe(folder: Path, outside: Path) -> None:
    os.mkfifo(folder / "a" / "log")


@pytest.mark.parametrize("trick", [link_file, link_folder, link_root, pipe])
def test_nothing_is_read_from_outside(tmp_path: Path, trick: Callable[[Path, Path], None]) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "a").mkdir(parents=True)
    outside.mkdir()
    (outside / "log").write_text("not the run's")
    trick(folder, outside)
    reading = stream(folder / "a" / "log", below=folder)
    reading.look(0)
    assert taken(reading, last=True) == b""
