"""Throwaway folders of runs, named for their owner, and the end of those whose owner is dead."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lambdactl.runners.owner import PREFIX, Owner
from lambdactl.runners.trees import kill_marked


@contextmanager
def throwaway(name: str, parent: Path | None = None) -> Iterator[Path]:
    """Only this user may enter it. `name` is one of `Owner.new_name`; `parent` else the temporary files'."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def sweep_folders(parent: Path | None = None) -> None:
    """Remove those of dead owners, with the processes that still run there (runs without a container)."""
    for folder in (parent or Path(tempfile.gettempdir())).resolve().glob(f"{PREFIX}-*"):
        owner = Owner.of(folder.name)
        if owner and owner.is_gone():
            kill_marked(str(folder))
            shutil.rmtree(folder, ignore_errors=True)
