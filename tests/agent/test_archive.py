"""What a checkpoint's archive keeps, and that nothing hostile comes out of one."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.archive import ArchiveError, Bounds, Packer, below, unpack
from agent.wipe import wipe


class Chunks:
    """What a packer writes into; what an unpacker reads, in pieces of an odd length."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, content: bytes) -> None:
        self.content += content

    def __call__(self) -> Iterator[bytes]:
        return (self.content[at : at + 1021] for at in range(0, len(self.content), 1021))


def roundtrip(root: Path, fresh: Path, **changes: Any) -> Packer:
    packer = Packer(root, (root / "workspace", root / "home"), **changes)
    chunks = Chunks()
    paths = [*below(root / "workspace"), *below(root / "home", without=(".cache",))]
    packer.pack(paths, chunks)
    unpack(chunks(), fresh, (fresh / "workspace", fresh / "home"))
    return packer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("workspace", "home"):
        (tmp_path / "old" / name).mkdir(parents=True)
        (tmp_path / "new" / name).mkdir(parents=True)
    return tmp_path / "old"


def test_files_folders_links_and_what_they_are(root: Path) -> None:
    work, new = root / "workspace", root.parent / "new"
    (work / "empty").mkdir()
    (work / "deep/er").mkdir(parents=True)
    (work / "deep/er/script").write_text("#!/bin/sh\n")
    (work / "deep/er/script").chmod(0o755)
    (work / "plain").write_bytes(os.urandom(3_000_000))
    os.utime(work / "plain", (1_700_000_000, 1_700_000_000))
    os.link(work / "plain", work / "same")  # two files afterwards
    (work / "link").symlink_to("deep/er")
    (work / "over").symlink_to("../home/note")
    (work / "nowhere").symlink_to("missing")
    (root / "home/note").write_text("of the home")
    (root / "home/.cache").mkdir()
    (root / "home/.cache/large").write_text("is made again")
    odd = os.fsencode(work) + b"/not \xff utf-8 \xe2\x88\x9a"
    with open(odd, "wb") as file:
        file.write(b"odd")

    assert roundtrip(root, new).left.notes() == ()
    there = new / "workspace"
    assert (there / "plain").read_bytes() == (work / "plain").read_bytes() == (there / "same").read_bytes()
    assert (there / "plain").stat().st_mtime == 1_700_000_000
    assert (there / "plain").stat().st_nlink == 1
    assert (there / "empty").is_dir()
    assert stat.S_IMODE((there / "deep/er/script").stat().st_mode) == 0o700
    assert stat.S_IMODE((there / "plain").stat().st_mode) == 0o600
    assert (there / "link/script").exists()
    assert (there / "over").read_text() == "of the home"
    assert os.readlink(there / "nowhere") == "missing"
    assert not (new / "home/.cache").exists()
    with open(os.fsencode(there) + b"/not \xff utf-8 \xe2\x88\x9a", "rb") as file:
        assert file.read() == b"odd"


def test_what_cannot_be_kept_is_named(root: Path) -> None:
    work = root / "workspace"
    (work / "out").symlink_to("/etc/passwd")
    (work / "sly").symlink_to("../../..")
    os.mkfifo(work / "pipe")
    (work / "kept").touch()
    packer = roundtrip(root, root.parent / "new")
    assert packer.left.notes() == (
        "not in the checkpoint, links that lead out: workspace/out, workspace/sly",
        "not in the checkpoint, neither file nor folder: workspace/pipe",
    )
    assert os.listdir(root.parent / "new/workspace") == ["kept"]


def test_a_tree_deeper_than_python_recurses(root: Path) -> None:
    here = os.open(root / "workspace", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    try:
        roundtrip(root, root.parent / "new")
        assert (root.parent / "new/workspace/d/d").is_dir()
    finally:  # pytest cannot remove them
        wipe(root)
        wipe(root.parent / "new")


@pytest.mark.parametrize("bounds", [Bounds(bytes=999), Bounds(entries=3)])
def test_too_much_is_not_packed(root: Path, bounds: Bounds) -> None:
    for name in "ab":
        (root / "workspace" / name).write_bytes(bytes(500))
    with pytest.raises(ArchiveError, match="the workspace is too large"):
        roundtrip(root, root.parent / "new", bounds=bounds)


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, to: str = "", content: bytes = b""
) -> Callable[..., None]:
    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, to, len(content)
        archive.addfile(info, io.BytesIO(content))

    return add


LINK = tarfile.SYMTYPE
HOSTILE: dict[str, tuple[Callable[..., None], ...]] = {
    "absolute": (entry("/etc/cron.d/x"),),
    "climbing": (entry("workspace/../../x"),),
    "beside": (entry("config/settings.json"),),
    "the root itself": (entry(".", tarfile.DIRTYPE),),
    "another's name": (entry("workspace2/x"),),
    "device": (entry("workspace/sda", tarfile.BLKTYPE),),
    "terminal": (entry("workspace/tty", tarfile.CHRTYPE),),
    "pipe": (entry("workspace/pipe", tarfile.FIFOTYPE),),
    "hard link": (entry("workspace/x", tarfile.LNKTYPE, "/etc/passwd"),),
    "link out": (entry("workspace/x", LINK, "/etc/passwd"),),
    "link above": (entry("workspace/x", LINK, "../../.."),),
    "link to what is beside": (entry("workspace/x", LINK, "../config"),),
    "links that lead out together": (
        entry("workspace/a/b/c/up", LINK, "../.."),
        entry("workspace/a/b/c/out", LINK, "up/../../.."),
    ),
    "file through a link": (entry("workspace/x", LINK, "../.."), entry("workspace/x/passwd", content=b"x")),
    "link over a file": (entry("workspace/x", content=b"x"), entry("workspace/x", LINK, "y")),
    "file twice": (entry("workspace/x"), entry("workspace/x")),
    "sparse": (entry("workspace/x", tarfile.GNUTYPE_SPARSE),),
    "long name of a megabyte": (entry("workspace/" + "x" * (2 << 20)),),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(root: Path, name: str) -> None:
    new = root.parent / "new"
    (new / "config").mkdir()
    chunks = Chunks()
    with tarfile.open(fileobj=chunks, mode="w|", format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
        for add in HOSTILE[name]:
            add(archive)
    with pytest.raises(ArchiveError, match="the checkpoint "):
        unpack(chunks(), new, (new / "workspace", new / "home"))
    outside = {"old", "new"} | {path.name for path in root.parent.iterdir() if path.name.startswith(".")}
    assert {path.name for path in root.parent.iterdir()} == outside
    assert not any((new / "config").iterdir())
    assert not (new / "x").exists()


@pytest.mark.parametrize("content", [b"", b"no archive at all", bytes(10_000), os.urandom(10_000)])
def test_what_is_no_archive(root: Path, content: bytes) -> None:
    new = root.parent / "new"
    if not any(content) and content:
        unpack(iter([content]), new, (new / "workspace",))  # an empty one
    else:
        with pytest.raises(ArchiveError):
            unpack(iter([content]), new, (new / "workspace",))


@pytest.mark.parametrize("bounds", [Bounds(bytes=4000), Bounds(entries=2)])
def test_more_than_may_be_comes_out_of_none(root: Path, bounds: Bounds) -> None:
    for name in "abc":
        (root / "workspace" / name).write_bytes(bytes(2000))
    chunks, new = Chunks(), root.parent / "new"
    Packer(root, (root / "workspace",)).pack(below(root / "workspace"), chunks)
    with pytest.raises(ArchiveError, match="more than a checkpoint may"):
        unpack(chunks(), new, (new / "workspace",), bounds)


def test_one_that_ends_early(root: Path) -> None:
    (root / "workspace/large").write_bytes(bytes(100_000))
    chunks, new = Chunks(), root.parent / "new"
    Packer(root, (root / "workspace",)).pack(below(root / "workspace"), chunks)
    with pytest.raises(ArchiveError):
        unpack(iter([chunks.content[:50_000]]), new, (new / "workspace",))
