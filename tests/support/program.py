"""A project of its own in a temporary folder, and the program as a user starts it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.engine import CA_BUNDLE

REPOSITORY = Path(__file__).parents[2]
# No image is built in these tests; a base named by digest needs no registry and no entry in the lock.
NO_BASE = "none.invalid/base@sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class Program:
    root: Path
    machine: Mapping[str, str] = field(default_factory=dict)  # what the machine says about builds
    pids: list[int] = field(default_factory=list)  # of all that was started

    @property
    def environment(self) -> dict[str, str]:
        """Complete: nothing of this machine's AWS or model keys."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root.parent),
            "LAMBDACTL_BASE_IMAGE": NO_BASE,
            "LAMBDACTL_CA_BUNDLE": str(CA_BUNDLE) if CA_BUNDLE.exists() else "",
            "AWS_EC2_METADATA_DISABLED": "true",
            "COLUMNS": "200",
            **self.machine,
        }

    def start(
        self, *argv: str, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.Popen[str]:
        settings = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        }
        child: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-P", "-m", "lambdactl", *argv],
            cwd=self.root,
            env={**self.environment, **(env or {})},
            text=True,
            **settings,  # type: ignore[call-overload]
        )
        self.pids.append(child.pid)
        return child

    def __call__(
        self, *argv: str, code: int = 0, input: str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; the exit code must be `code`."""
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        with self.start(*argv, env=env, stdin=stdin) as child:
            out, err = child.communicate(input, timeout=120)
        assert child.returncode == code, f"exit {child.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(argv, child.returncode, out, err)


HELLO = """\
description: hello
agent: {type: command, command: ["sh", "-c", "echo hello; cat input.json > out.txt"]}
prefix: hello/
timeout: 30s
artifacts: [out.txt]
"""


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for images without a container is made once, not in each test's project."""
    return tmp_path_factory.mktemp("trees")


@pytest.fixture
def lambdactl(tmp_path: Path, trees: Path) -> Program:
    """The program in a project with one job."""
    root = tmp_path / "project"
    (root / "jobs").mkdir(parents=True)
    (root / "lambdactl.yaml").write_text("project: demo\nsandbox: true\n")
    (root / "jobs" / "hello.yaml").write_text(HELLO)
    (root / ".lambdactl").mkdir()
    (root / ".lambdactl" / "trees").symlink_to(trees)
    shutil.copy(REPOSITORY / "lambdactl.lock", root)
    return Program(root)


@pytest.fixture
def sandbox(lambdactl: Program) -> Iterator[Program]:
    """The same with its embedded AWS up, which runs jobs as processes."""
    lambdactl("sandbox", "up", "--engine", "process")
    yield lambdactl
    lambdactl("sandbox", "down", "--purge")
