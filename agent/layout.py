"""The fixed folders of a run below one root, wiped before and after. Knows no agent type.

The paths are the same in every run: Claude Code finds a session again only under the same workspace.
Codex refuses a home below TMPDIR, so they are siblings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.wipe import wipe


@dataclass(frozen=True, slots=True)
class Layout:
    root: Path

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def codex(self) -> Path:
        return self.root / "codex"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def out(self) -> Path:
        """Our own: spooled streams, and files on their way to the store."""
        return self.root / "out"

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.workspace, self.home, self.config, self.codex, self.tmp, self.logs, self.out)

    def prepare(self) -> None:
        """Empty folders that only we may enter."""
        self.wipe()
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in self.folders:
            folder.mkdir(mode=0o700)

    def wipe(self) -> None:
        """Remove the whole tree, also what a job made unreadable. A link is removed, never followed."""
        wipe(self.root)

    def reclaim(self) -> None:
        """Make `out` ours again, once nothing of the job runs: it may have removed or filled it."""
        wipe(self.out)
        self.out.mkdir(mode=0o700, parents=True)
