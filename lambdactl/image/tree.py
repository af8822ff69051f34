"""Makes an image's home as a plain folder, for runs without a container. Calls no engine.

The same installer and the same locked packages as in the image; apt packages cannot be had this way.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lambdactl.deadline import NEVER, Deadline
from lambdactl.errors import BuildError
from lambdactl.image import failure
from lambdactl.image.context import Context
from lambdactl.image.files import File, write
from lambdactl.image.follow import follow
from lambdactl.image.programs import PROXIES


def tree_of(root: Path, fingerprint: str) -> Path:
    """Where a project keeps the tree that stands for the image with this fingerprint."""
    return root / ".lambdactl" / "trees" / fingerprint


def install_tree(
    context: Context,
    target: Path,
    on_line: Callable[[str], None],
    ca_bundle: str = "",
    deadline: Deadline = NEVER,
) -> None:
    """Make `target`, unless it is there whole; its fingerprint, written last, says so.

    Two at once wait for each other. uv and Node are put beside it, and shared by all trees of the
    same folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent / "lock"):
        if (target / "fingerprint").exists():
            return
        shutil.rmtree(target, ignore_errors=True)  # of one that was killed
        _make(context, target, on_line, ca_bundle, deadline)


def _make(
    context: Context, target: Path, on_line: Callable[[str], None], ca_bundle: str, deadline: Deadline
) -> None:
    if context.apt:
        on_line(f"not installed without a container (apt): {' '.join(context.apt)}")
    tools = hashlib.sha256(context.files["tools.txt"].content).hexdigest()[:16]
    with tempfile.TemporaryDirectory(prefix="lambdactl-tree-") as folder:
        source = Path(folder)
        write(context.all_files, source)
        tools_folder = target.parent / f"tools-{tools}"
        installer = _Installer(source, target, tools_folder, on_line, ca_bundle, deadline)
        try:
            _install(context, installer)
            write(_copied(context), target)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _install(context: Context, installer: _Installer) -> None:
    ready = installer.tools / "ready"
    if not ready.exists():
        shutil.rmtree(installer.tools, ignore_errors=True)
        installer.step("tools", "tools.txt")
        ready.touch()
    for bundle in context.bundles:
        installer.step("bundle", bundle)
    if context.node:
        installer.step("node")
    installer.step("links", "links.json")


def _copied(context: Context) -> dict[str, File]:
    """What the Dockerfile COPYs, the fingerprint last."""
    copied = {
        path: file
        for path, file in context.all_files.items()
        if path.startswith(("agent/", "files/")) or path == "fingerprint"
    }
    return dict(sorted(copied.items(), key=lambda item: (item[0] == "fingerprint", item[0])))


@dataclass(frozen=True, slots=True)
class _Installer:
    """Calls install.py, one step at a time."""

    source: Path
    home: Path
    tools: Path
    on_line: Callable[[str], None]
    ca_bundle: str
    deadline: Deadline

    @property
    def _env(self) -> dict[str, str]:
        passed = ("PATH", "HOME", "TMPDIR", "LANG", *PROXIES)
        return {name: os.environ[name] for name in passed if name in os.environ} | {
            "LAMBDACTL_HOME": str(self.home),
            "LAMBDACTL_TOOLS": str(self.tools),
            "LAMBDACTL_CACHE": str(self.home.parent / "cache"),
            "LAMBDACTL_CA": self.ca_bundle or "/nonexistent",
        }

    def step(self, name: str, *arguments: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "install.py", name, *arguments],
            cwd=self.source,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        lines: list[str] = []

        def take(line: str) -> None:
            if line.strip():
                self.on_line(line)
                lines.append(line)

        if follow(process, take, self.deadline):
            what = " ".join(arguments) or name
            raise BuildError(f"installing {what} failed", why=failure.reason(lines), hint=failure.hint(lines))
