"""workspace.patch: what a run changed in the git checkouts of its workspace, once its processes are dead.

The base is the newest commit, back from HEAD along first parents, that is older than the run. So what the
agent committed is in the patch, pushed or not, whether it cloned the repository itself or made it; and a
branch that it checked out brings none of its older commits.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent import checkout
from agent.changes import Changes
from agent.checkout import Checkout
from agent.git import Git
from agent.harvest import Item, file_name
from agent.left import Left
from agent.redact import Redactor

CHECKOUTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """`folder` is ours, and not there yet; `since` when the run began; `until` ends our time by the clock."""

    workspace: Path
    folder: Path
    path: str  # where git is looked for
    since: datetime
    until: float
    clock: Callable[[], float]
    redactor: Redactor

    def items(self, left: Left) -> Iterator[Item]:
        """Never raises: what cannot be had is told."""
        try:
            checkouts = [] if self.workspace.is_symlink() else list(checkout.find(self.workspace))
        except OSError:
            return
        git, names = shutil.which("git", path=self.path), Counter[str]()
        for number, each in enumerate(checkouts):
            lonely = not each.name or len(checkouts) == 1
            name = "workspace" if lonely else f"workspace-{file_name(self.redactor.name(each.name))}"
            if not git:
                left.out(each.name or ".", "changes in git checkouts, as git is not in the image")
            elif number >= CHECKOUTS:
                left.out(each.name, f"git checkouts beyond {CHECKOUTS}")
            elif patch := self._patch(git, each, self.folder / str(number), left):
                names[name] += 1  # two may be one, once they are masked and harmless
                path = f"artifacts/{name}{f'~{names[name]}' if names[name] > 1 else ''}.patch"
                yield Item(name=path, file=patch, prefix=path)

    def _patch(self, program: str, there: Checkout, folder: Path, left: Left) -> Path | None:
        git = Git(program=program, folder=folder, checkout=there, until=self.until, clock=self.clock)
        try:
            folder.mkdir(parents=True)
            return Changes.of(git, self.since, self.redactor).written(left)
        except Exception as error:  # whatever it brings, all else is still stored
            left.out(there.name or ".", f"changes in git checkouts ({error})")
            return None
