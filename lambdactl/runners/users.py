"""An image's /etc/passwd and /etc/group as Lambda has them, without running anything of the image."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from lambdactl.container import Engine
from lambdactl.runners.owner import PATIENCE

UID, GID = 993, 990
PASSWD_ENTRY = f"sbx_user1051:x:{UID}:{GID}::/home/sbx_user1051:/sbin/nologin\n"


def write_users(engine: Engine, container: str, passwd: Path, group: Path) -> None:
    """The image's own and Lambda's user, whose group has no name: podman would give it one."""
    _write(passwd, _read(engine, container, "/etc/passwd") + PASSWD_ENTRY.encode())
    _write(group, _read(engine, container, "/etc/group"))


def _read(engine: Engine, container: str, path: str) -> bytes:
    """Its bytes, whole lines; empty when a container of the image has none."""
    done = engine.call("cp", f"{container}:{path}", "-", check=False, timeout=PATIENCE)
    if done.returncode:
        return b""
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        member = archive.next()
        file = archive.extractfile(member) if member and member.isfile() else None
        content = file.read() if file else b""
    return content if not content or content.endswith(b"\n") else content + b"\n"


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file.chmod(0o644)
