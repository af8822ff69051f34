"""Runs git on a repository that may be hostile, so that nothing in it is ever executed. Changes none of it.

git gets a repository of ours, empty but for what it borrows: the objects (as alternates), a copy of the
index, the files of the worktree. So the other's config is never read, with all that can name a program
there (fsmonitor, hooks, filters, external diffs, textconv, promisor remotes, includes), nor is any config
of the machine. Attributes in the worktree can then only choose among what git does itself.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.checkout import Checkout, read
from agent.child import gives_way

MEMORY = 1 << 30  # bytes that git may map
SAID = 100_000  # characters of an error: far more than are ever shown, so that no value is shown in half
OUTPUT = 64 << 20  # bytes that it may write into a file
LISTED = 8 << 20  # bytes of a list that we read

_CONFIG = """\
[core]
	repositoryformatversion = {version}
	bare = false
	fsmonitor = false
	quotePath = false
	hooksPath = /dev/null
	packedGitWindowSize = 16m
	packedGitLimit = 256m
	bigFileThreshold = 64m
[gc]
	auto = 0
[extensions]
{extensions}"""
# What is a diff is decided by the content alone: a secret in what counts as binary could not be masked.
_ATTRIBUTES = "* !diff !filter\n"


class GitError(Exception):
    """git could not do it; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """`folder` is the repository of ours, `until` when, by the clock, the time for all of it is over."""

    program: str
    folder: Path
    checkout: Checkout
    until: float
    clock: Callable[[], float] = time.monotonic

    def prepare(self, head: str) -> None:
        objects = self.checkout.common.resolve() / "objects"
        if "\n" in str(objects):
            raise GitError("its folder's name holds a line break")
        for part in ("objects/info", "refs", "info"):
            (self.folder / part).mkdir(parents=True)
        long = len(head) == 64
        extensions = "\tobjectFormat = sha256\n" if long else ""
        files = {
            "HEAD": f"{head}\n" if head else "ref: refs/heads/none\n",
            "config": _CONFIG.format(version=int(long), extensions=extensions),
            "info/attributes": _ATTRIBUTES,
            "objects/info/alternates": f"{objects}\n",
        }
        for name, text in files.items():
            (self.folder / name).write_bytes(os.fsencode(text))
        for name, theirs in (("shallow", "shallow"), ("info/exclude", "info/exclude")):
            if content := read(self.checkout.common / theirs):
                (self.folder / name).write_bytes(content)

    def borrow_index(self) -> bool:
        """Theirs knows what is unchanged without a look at it; with its time, which tells what may not be."""
        theirs, ours = self.checkout.git_dir / "index", self.folder / "index"
        try:
            with open(os.open(theirs, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
                found = os.fstat(source.fileno())
                with ours.open("wb") as target:
                    shutil.copyfileobj(source, target)
            os.utime(ours, ns=(found.st_atime_ns, found.st_mtime_ns))
        except OSError:
            return False
        return found.st_size > 0

    def own_index(self, base: str) -> None:
        (self.folder / "index").unlink(missing_ok=True)
        self.lines("read-tree", base)

    def lines(self, *arguments: str, stdin: Sequence[str] = ()) -> list[str]:
        """What it prints, cut at NUL."""
        out = self.folder / "printed"
        self.write(out, *arguments, stdin=stdin)
        if out.stat().st_size > LISTED:
            raise GitError(f"a list of over {LISTED:,} bytes of files")
        return [os.fsdecode(each) for each in out.read_bytes().split(b"\0") if each]

    def write(self, out: Path, *arguments: str, stdin: Sequence[str] = ()) -> None:
        """Raises GitError; what it printed until then lies in `out`."""
        if (left := self.until - self.clock()) <= 0:
            raise GitError("no time was left")
        given, errors = self.folder / "given", self.folder / "errors"
        given.write_bytes(b"\0".join(map(os.fsencode, stdin)))
        with given.open("rb") as fed, out.open("wb") as written, errors.open("wb") as complained:
            child = subprocess.Popen(
                [self.program, "--no-pager", *arguments],
                cwd=self.checkout.worktree,
                env=self._environment(),
                stdin=fed,
                stdout=written,
                stderr=complained,
                start_new_session=True,
            )
            try:
                _bound(child.pid)
                code = child.wait(left)
            except subprocess.TimeoutExpired:
                raise GitError("no time was left") from None
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if code == -signal.SIGXFSZ:
            raise GitError(f"over {OUTPUT:,} bytes")
        if code:
            said = errors.read_text("utf-8", "replace")[:SAID].strip().replace("\n", "; ")
            raise GitError(f"git {arguments[0]}: {said or f'exit code {code}'}")

    def _environment(self) -> dict[str, str]:
        """All there is of it."""
        return {
            "PATH": os.path.dirname(self.program),
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_DIR": str(self.folder),
            "GIT_WORK_TREE": str(self.checkout.worktree),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_ALLOW_PROTOCOL": "none",
        }


def _bound(pid: int) -> None:
    """It gives way to us, and cannot fill the memory or the disk."""
    gives_way(pid)
    with contextlib.suppress(OSError):  # it is over already
        resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
