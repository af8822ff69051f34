"""Reads an image's /etc/passwd without running anything of the image."""

from __future__ import annotations

import io
import tarfile

from lambdactl.container import Engine
from lambdactl.runners.owner import LABEL, PATIENCE, Owner, remove, run


def read_passwd(engine: Engine, image: str, name: str, owner: Owner) -> bytes:
    """Its bytes, whole lines; empty when the image has none. Makes a container and removes it."""
    made = f"{name}-passwd"
    try:
        run(
            engine,
            "create",
            "--name",
            made,
            "--label",
            f"{LABEL}={owner}",
            "--network",
            "none",
            image,
            "true",
        )
        done = engine.call("cp", f"{made}:/etc/passwd", "-", check=False, timeout=PATIENCE)
    finally:
        remove(engine, "rm", "--force", "--volumes", made)
    if done.returncode:
        return b""
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        member = archive.next()
        file = archive.extractfile(member) if member and member.isfile() else None
        content = file.read() if file else b""
    return content if not content or content.endswith(b"\n") else content + b"\n"
