"""Puts a folder's files into a container's volume and brings them back. Runs nothing in the container."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from lambdactl.container import Engine, last_words
from lambdactl.errors import RunError
from lambdactl.runners.create import GID, UID
from lambdactl.runners.protocol import RUN_VOLUME


def put(engine: Engine, container: str, folder: Path) -> None:
    """Into a container that was made and not started. The function's user owns what it finds."""
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
        )
        _, words = process.communicate()
    if process.returncode:
        raise RunError("the run folder could not be put into the container", why=last_words(words))


def fetch(engine: Engine, container: str, folder: Path, note: Callable[[str], None]) -> None:
    """Out of a container that has ended. Only files and folders: a link may point anywhere."""
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
    try:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                _unpack(archive, member, folder, note)
    except tarfile.TarError as broken:
        words = last_words(process.stderr.read()) or str(broken)
        raise RunError("the run folder could not be brought out of the container", why=words) from None
    finally:
        process.stdout.close()
        process.stderr.close()
        process.wait()


def _as_function(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid, member.gid, member.uname, member.gname = UID, GID, "", ""
    if member.name == ".":
        member.mode = 0o1777
    return member


def _unpack(
    archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, note: Callable[[str], None]
) -> None:
    path = PurePosixPath(member.name)
    target = folder / path
    if path.is_absolute() or ".." in path.parts:
        note(f"left in the container, its name leads out of the run folder: {member.name!r}")
    elif member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.isfile():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        source = archive.extractfile(member)
        assert source
        handle = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700 if member.mode & 0o100 else 0o600
        )
        with source, os.fdopen(handle, "wb") as file:
            while part := source.read(1 << 20):
                file.write(part)
    else:
        note(f"left in the container, not a file: {member.name!r}")
