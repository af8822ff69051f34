"""What changed in one git checkout since its base, as one patch. Asks git, changes nothing of theirs."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.git import Git, GitError
from agent.harvest import Item
from agent.left import Left
from agent.redact import CHUNK, Redactor

FILE_MAX = 16 << 20  # bytes of a file that is in the patch
UNTRACKED_MAX = 5_000  # files that git did not know
LEFT_MAX = 500  # files that are left out; each is an argument of git's

_EMPTY = {  # the tree of nothing, by the length of its name
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--ignore-submodules=all")
_PATCH = ("--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")
_UNTRACKED = ("ls-files", "--others", "--exclude-standard", "-z")
_MEANT = ("--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
_RAW = re.compile(r":\d{6} (\d{6}) [0-9a-f]+ [0-9a-f]+ [A-Z]\d*")
_COUNTED = re.compile(r"(?:-|\d+)\t(-|\d+)\t(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Of one checkout since `base`, which may be the tree of nothing; `head` is "" without a commit."""

    git: Git
    redactor: Redactor
    base: str
    head: str

    @classmethod
    def of(cls, git: Git, since: datetime, redactor: Redactor) -> Changes:
        head = git.checkout.head()
        if head is None:
            raise GitError("its HEAD cannot be read")
        git.prepare(head)
        # A commit of the second in which the run began may be the agent's.
        before = f"--min-age={int(since.timestamp()) - 1}"
        found = "".join(git.lines("rev-list", "-1", "--first-parent", before, head)) if head else ""
        return cls(git=git, redactor=redactor, base=found.strip() or _EMPTY[len(head) or 40], head=head)

    def written(self, left: Left) -> Path | None:
        """The patch, None when nothing changed."""
        if self.git.borrow_index():
            seen = Left()
            try:
                patch = self._patch(seen)
            except GitError:  # such as an index that lies in two files, or only half
                pass
            else:
                left.add(seen)
                return patch
        self.git.own_index(self.base)
        return self._patch(left)

    def _patch(self, left: Left) -> Path | None:
        self._know_untracked(left)
        out = list(self._too_large(left))
        out += list(self._leaking(out, left))
        diff, patch = self.git.folder / "diff", self.git.folder / "patch"
        try:
            self.git.write(diff, *_DIFF, *_PATCH, self.base, *_without(out))
        except GitError as error:
            if not _cut(diff):
                raise
            left.out(self._name("…"), f"changes in git checkouts, from some file on ({error})")
        if not diff.stat().st_size:
            return None
        with patch.open("wb") as target, diff.open("rb") as source:
            # git passes over what stands before the first "diff".
            target.write(f"Base: {self.base}\nHead: {self.head or 'none'}\n\n".encode())
            shutil.copyfileobj(source, target)
        return patch

    def _know_untracked(self, left: Left) -> None:
        """git's diff shows a new file only once it is meant to be added."""
        # With "/" at its end it is a repository of its own.
        found = [each for each in self.git.lines(*_UNTRACKED) if not each.endswith("/")]
        for name in found[UNTRACKED_MAX:]:
            left.out(self._name(name), f"untracked files beyond {UNTRACKED_MAX:,} in the patch")
        self.git.lines(*_MEANT, stdin=found[:UNTRACKED_MAX])

    def _too_large(self, left: Left) -> Iterator[str]:
        fields = iter(self.git.lines(*_DIFF, "--raw", "-z", self.base))
        for about, name in zip(fields, fields, strict=False):
            if _RAW.fullmatch(about) and self._size(name) > FILE_MAX:
                left.out(self._name(name), f"files over {FILE_MAX:,} bytes in the patch")
                yield name

    def _leaking(self, out: Iterable[str], left: Left) -> Iterator[str]:
        """Binary files are compressed in a patch, as they are and as they were: a value in them could not be
        found there any more."""
        among = (self.base, *_without(out))
        counted = map(_COUNTED.fullmatch, self.git.lines(*_DIFF, "--numstat", "-z", *among))
        binary = [found[2] for found in counted if found and found[1] == "-"]
        old = set(self.git.lines(*_DIFF, "--name-only", "--diff-filter=a", "-z", *among) if binary else ())
        for name in binary:
            if _holds(self.redactor, self.git.checkout.worktree / name) or (name in old and self._held(name)):
                left.out(self._name(name), "binary files with a secret in the patch")
                yield name

    def _held(self, name: str) -> bool:
        """Whether there was a value in it at the base; True when that cannot be told."""
        before = self.git.folder / "before"
        try:
            self.git.write(before, "cat-file", "blob", f"{self.base}:{name}")
        except GitError:
            return True
        return _holds(self.redactor, before)

    def _size(self, name: str) -> int:
        try:
            found = os.lstat(self.git.checkout.worktree / name)
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _name(self, name: str) -> str:
        return f"{self.git.checkout.name}/{name}".lstrip("/")


def _without(names: Iterable[str]) -> list[str]:
    names = list(names)
    if len(names) > LEFT_MAX:
        raise GitError(f"over {LEFT_MAX} files would be left out")
    return ["--", ":(top)", *(f":(top,exclude,literal){name}" for name in names)]


def _holds(redactor: Redactor, file: Path) -> bool:
    """Whether there is a value in it; True when that cannot be told."""
    try:
        with Item(name="", file=file).open() as source:
            rest = b""
            while chunk := source.read(CHUNK):
                rest += chunk
                if redactor.holds(rest):
                    return True
                rest = rest[max(0, len(rest) - redactor.longest) :]
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _cut(diff: Path) -> bool:
    """Leave the whole files of a patch that was not written to its end; False when there is none."""
    if not diff.exists() or not diff.stat().st_size:
        return False
    with diff.open("r+b") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # No line of content begins so: those of text begin with a sign, those of binary have no space.
        end = content.rfind(b"\ndiff --git ")
    if end > 0:
        os.truncate(diff, end + 1)
    return end > 0
