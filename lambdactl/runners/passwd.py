"""Reads an image's /etc/passwd without running anything of the image."""

from __future__ import annotations

import io
import tarfile

from lambdactl.container import Engine
from lambdactl.runners.owner import PATIENCE


def read_passwd(engine: Engine, container: str) -> bytes:
    """Its bytes, whole lines, as a container of the image has it; empty when there is none."""
    done = engine.call("cp", f"{container}:/etc/passwd", "-", check=False, timeout=PATIENCE)
    if done.returncode:
        return b""
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        member = archive.next()
        file = archive.extractfile(member) if member and member.isfile() else None
        content = file.read() if file else b""
    return content if not content or content.endswith(b"\n") else content + b"\n"
