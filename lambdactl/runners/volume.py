"""Puts a folder's files into a run's volume and brings them back, by way of a container that mounts it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lambdactl.container import Engine, last_words
from lambdactl.errors import RunError
from lambdactl.runners.protocol import RUN_VOLUME
from lambdactl.runners.users import GID, UID

# What comes home at most, of a volume that a job may fill as it likes. The agent itself stores half of it.
MOST_BYTES = 4 << 30
MOST_FILES = 10_000
SECONDS = 600.0  # for one copy, either way
NAMED = 10  # files left behind that are named


def put(engine: Engine, container: str, folder: Path) -> None:
    """Before a runtime sees it. The function's user owns what it finds."""
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(folder, arcname=".", filter=_as_function)
        packed.seek(0)
        process = engine.spawn(
            "cp",
            "-",
            f"{container}:{RUN_VOLUME}",
            stdin=packed,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # ^C in a terminal is for us
        )
        with _ended_after(process, SECONDS):
            _, words = process.communicate()
    if process.returncode:
        raise RunError("the run folder could not be put into the container", why=last_words(words))


def fetch(engine: Engine, container: str, folder: Path, note: Callable[[str], None]) -> None:
    """While no runtime works on it, in place of what `folder` held.

    All of it was made by the job: only files and folders come out (a link may point anywhere), and only
    so many.
    """
    _empty(folder)
    process = engine.spawn(
        "cp",
        f"{container}:{RUN_VOLUME}/.",
        "-",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stderr
    arrivals = _Arrivals(folder, note)
    with process.stdout as stream, process.stderr as words, _ended_after(process, SECONDS):
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                arrivals.take(archive)
        except tarfile.TarError as broken:
            process.kill()
            raise RunError(
                "the run folder could not be brought out of the container",
                why=last_words(words.read()) or str(broken),
            ) from None


def empty(engine: Engine, container: str) -> None:
    """Before the next one: RunError when something withstands."""
    script = f"chmod -R u+rwX {RUN_VOLUME} 2>/dev/null; find {RUN_VOLUME} -mindepth 1 -delete"
    engine.call("exec", container, "/bin/sh", "-c", script, timeout=SECONDS)


@contextmanager
def _ended_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """Killed after `seconds`, and at the end of the block."""
    overdue = threading.Timer(seconds, process.kill)
    overdue.daemon = True
    overdue.start()
    try:
        yield
    finally:
        overdue.cancel()
        process.kill()
        process.wait()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _as_function(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid, member.gid, member.uname, member.gname = UID, GID, "", ""
    if member.name == ".":
        member.mode = 0o1777
    return member


@dataclass(slots=True)
class _Arrivals:
    """What a job's volume holds, written below `folder` as far as it may be."""

    folder: Path
    note: Callable[[str], None]
    bytes: int = 0
    files: int = 0
    left: int = 0

    def take(self, archive: tarfile.TarFile) -> None:
        for member in archive:
            self.files += 1
            self.bytes += member.size
            if self.files > MOST_FILES or self.bytes > MOST_BYTES:
                self.note(
                    f"lambdactl: {member.name!r} and all after it stayed in the container: the run's volume "
                    f"holds over {MOST_FILES:,} files or {MOST_BYTES:,} bytes"
                )
                break
            try:
                reason = self._write(archive, member)
            except OSError as refused:
                reason = refused.strerror or str(refused)
            if reason:
                self._leave(member.name, reason)
        if self.left > NAMED:
            self.note(f"lambdactl: {self.left - NAMED:,} more were left in the container")

    def _leave(self, name: str, reason: str) -> None:
        self.left += 1
        if self.left <= NAMED:
            self.note(f"lambdactl: left in the container, {reason}: {name!r}")

    def _write(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
        """Why it is not written, "" when it is."""
        path = PurePosixPath(member.name)
        target = self.folder / path
        if path.is_absolute() or ".." in path.parts:
            return "its name leads out of the run folder"
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            return ""
        if not member.isfile():
            return "not a file"
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o700 if member.mode & 0o100 else 0o600
        source = archive.extractfile(member)
        assert source
        with source, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        return ""
