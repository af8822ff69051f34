"""A store on disk: a volume out of a container. Nothing else writes a run's folder there."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from agent.store import CLAIM, Reader, StoreError
from agent.wipe import wipe

CHUNK = 1 << 20


class Folder:
    """The run's folder on disk: `root`/out, since a volume at `root` holds one run."""

    keeps = False

    def __init__(self, root: Path) -> None:
        self._out = root / "out"

    def definition(self, name: str) -> bytes:
        try:
            return Path(name).read_bytes()
        except OSError as error:
            raise StoreError(f"cannot read the definition: {error}") from None

    def open(self, prefix: str, run_id: str) -> None:
        self._out.mkdir(parents=True, exist_ok=True)

    def claim(self, name: str, body: bytes) -> bool:
        try:
            (self._out / name).parent.mkdir(parents=True, exist_ok=True)
            with (self._out / name).open("xb") as file:
                file.write(body)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"cannot write {self._out / name}: {error}") from None
        return True

    def reclaim(self) -> None:
        """A job is the same user as we are: nothing of its making leaves unmasked, or stands in the way.

        What claims the run stays until it is written again, or another attempt would find it free.
        """
        try:
            if self._out.is_dir() and not self._out.is_symlink():
                self._out.chmod(0o700)
                for each in list(self._out.iterdir()):
                    if each.name != CLAIM or each.is_symlink() or not each.is_file():
                        wipe(each)
            else:
                wipe(self._out)
            self._out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot empty {self._out}: {error}") from None

    def put(self, name: str, body: Path | bytes | Reader, content_type: str) -> None:
        target = self._out / name
        aside = target.with_name(f".{uuid.uuid4().hex}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # New, under a name nobody knows: a pipe that a job put there would never end our writing.
            with aside.open("xb") as file:
                if isinstance(body, bytes):
                    file.write(body)
                elif isinstance(body, Path):
                    with body.open("rb") as source:
                        shutil.copyfileobj(source, file, CHUNK)
                else:
                    shutil.copyfileobj(body, file, CHUNK)
            os.replace(aside, target)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error}") from None

    def abandon(self) -> None:
        """What is written aside is wiped with the folder."""

    def get(self, name: str) -> bytes | None:
        try:
            return (self._out / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"cannot read {name}: {error}") from None

    def keep(self, name: str, content: bytes) -> str:
        self.put(name, content, "application/octet-stream")
        return ""

    def kept(self, name: str) -> str:
        return ""

    def forget(self, stored: Mapping[str, str]) -> None:
        for name in stored:
            try:
                (self._out / name).unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"cannot remove {name}: {error}") from None

    def exists(self, name: str) -> bool:
        return os.path.lexists(self._out / name)

    def address(self, name: str) -> str:
        return str(self._out / name)
