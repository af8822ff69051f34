"""What a job can find out of its supervisor, as the same user; what the next run finds of the last one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent import handler, hardening, scratch
from tests.agent import lambdaish, warm
from tests.agent.bench import ROOT, Bench, alive, definition

SECRET = "made-up-secret-access-key"
RUNTIME_API = "127.0.0.1:9001"
PR_SET_DUMPABLE = 4

SPY = """
import os
for name in ("environ", "mem"):
    try:
        with open(f"/proc/{os.getppid()}/{name}", "rb") as file:
            print(name, "shows", file.read(1 << 20).strip(b"\\0") or "nothing")
    except OSError as error:
        print(name, error.strerror)
print("told", [name for name, value in os.environ.items() if "RUNTIME_API" in name or "9001" in value])
"""


@dataclass(frozen=True)
class Sandbox:
    """Folders that the unprivileged user of the sandbox may use, wherever pytest's are."""

    bench: Bench

    @property
    def tmp(self) -> Path:
        return self.bench.root / "tmp"

    def invoke(self, document: dict[str, Any], *events: Any, prefix: tuple[str, ...] = ()) -> dict[str, Any]:
        definition_ = self.bench.store(document)
        for each in (self.bench.root, *self.bench.root.rglob("*")):
            if os.geteuid() == 0:
                os.chown(each, warm.USER, warm.USER, follow_symlinks=False)
        python = shutil.which("python3", path="/usr/bin:/bin") if os.geteuid() == 0 else sys.executable
        assert python, "needs a Python that other users than root may run"
        environment = {
            "PATH": "/usr/bin:/bin",
            "LAMBDACTL_HOME": str(self.bench.home),
            "LAMBDACTL_WORK": str(self.tmp / "run"),
            "LAMBDACTL_RUN_DIR": str(self.bench.root / "run"),
            "LAMBDACTL_DEFINITION": str(definition_),
            "LAMBDACTL_SECRETS": "{}",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            hardening.RUNTIME_API: RUNTIME_API,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        argv = [*prefix, python, str(ROOT / "tests/agent/warm.py"), str(self.tmp)]
        done = subprocess.run(
            argv, env=environment, input=json.dumps(events), capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, done.stderr
        answer = dict(json.loads(done.stdout))
        assert answer["python"] == SECRET, "the supervisor itself still needs its environment"
        return answer

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads((self.bench.root / "run/out/result.json").read_text()))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(root=Path(folder))
        bench.prepare()
        (bench.root / "tmp").mkdir()
        yield Sandbox(bench)


def spy() -> dict[str, Any]:
    return definition({"command": ["python3", "-c", SPY]})


def test_a_process_of_the_same_user_reads_nothing(sandbox: Sandbox) -> None:
    sandbox.invoke(spy(), {})
    assert sandbox.result["output"].splitlines() == [
        "environ Permission denied", "mem Permission denied", "told []",
    ]  # fmt: skip
    held = {"notDumpable": True, "environmentEmptied": True, "runtimeApiWithheld": True}
    assert sandbox.result["hardening"] == held


def test_it_holds_in_a_warm_sandbox_too(sandbox: Sandbox) -> None:
    """A process that has hidden itself still sees what it needs of itself."""
    answer = sandbox.invoke(spy(), {}, {})
    assert answer["hardening"] == [{"notDumpable": True, "environmentEmptied": True}] * 2


def test_where_the_kernel_refuses_the_environment_is_empty_all_the_same(sandbox: Sandbox) -> None:
    """And the result says what did not hold."""
    deny = (sys.executable, lambdaish.__file__, f"--deny={PR_SET_DUMPABLE}")
    sandbox.invoke(spy(), {}, prefix=deny)
    assert sandbox.result["output"].splitlines()[0] == "environ shows nothing"
    held = {"notDumpable": False, "environmentEmptied": True, "runtimeApiWithheld": True}
    assert sandbox.result["hardening"] == held


def test_without_hardening_it_would(sandbox: Sandbox, tmp_path: Path) -> None:
    """The spy is none that sees nothing anyway."""
    child = [sys.executable, "-c", SPY]
    parent = f"import subprocess; subprocess.run({child!r}, env={{}})"
    done = subprocess.run(
        [sys.executable, "-c", parent], env={"KEY": SECRET}, capture_output=True, text=True, timeout=60
    )
    assert f"environ shows b'KEY={SECRET}'" in done.stdout


@pytest.mark.parametrize(
    "stat", ["", "1 (x) S", "1 (a) (b) S " + " ".join(["0"] * 60), "1 (x) S " + " ".join(["7", "9"] * 30)]
)
def test_an_address_that_makes_no_sense_is_not_written_to(stat: str) -> None:
    try:
        start, end = hardening._block(stat)
    except IndexError:
        return
    assert not hardening._is_ours_to_write(Path("/proc/self/maps").read_text(), start, end)


def test_memory_that_is_not_writable_is_not_written_to() -> None:
    maps = "1000-2000 r--p 0 00:00 0\n2000-3000 rw-p 0 00:00 0 [stack]\n"
    assert not hardening._is_ours_to_write(maps, 0x1000, 0x1800)
    assert hardening._is_ours_to_write(maps, 0x2000, 0x3000)
    assert not hardening._is_ours_to_write(maps, 0x2800, 0x3800)


@pytest.mark.parametrize(
    ("env", "kept"),
    [({"A": "x"}, True), ({hardening.RUNTIME_API: "x"}, False), ({"A": f"http://{RUNTIME_API}/"}, False)],
)
def test_whether_a_child_is_told_of_the_runtime_api(env: dict[str, str], kept: bool) -> None:
    assert hardening.withheld(env, RUNTIME_API) is kept


LEAVES = """
echo left > $SCRATCH/left
mkdir -p $SCRATCH/dir/deep; echo left > $SCRATCH/dir/deep/file; chmod 0 $SCRATCH/dir
ln -s /etc $SCRATCH/link; mkfifo $SCRATCH/.hidden
(setsid sleep 7601 &) ; env -i /bin/sh -c 'setsid sleep 7602 &'
"""
FINDS = "ls -A $SCRATCH"


def test_the_next_run_of_a_warm_sandbox_finds_nothing(sandbox: Sandbox) -> None:
    script = f"cat input.json | grep -q first && {{ {LEAVES}\n }} || {{ {FINDS}\n }}; exit 0"
    job = definition({"command": ["/bin/sh", "-c", script], "env": {"SCRATCH": str(sandbox.tmp)}})
    first, second = ({"version": 1, "runId": f"019ad3c1-7a40-7000-8000-00000000000{n}", "input": word}
                     for n, word in enumerate(["first", "second"]))  # fmt: skip
    sandbox.invoke(job, first)
    assert list(sandbox.tmp.iterdir()) == []
    assert not alive("sleep 7601") + alive("sleep 7602")
    # What a run left whose supervisor was killed: nobody cleaned up after it.
    (sandbox.tmp / "of-the-killed").mkdir()
    shutil.rmtree(sandbox.bench.root / "run" / "out")
    sandbox.invoke(job, second)
    assert sandbox.result["output"] == "run\n"


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "file").touch()
    assert scratch.empty(tmp_path, keep=tmp_path / "run") == []
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert scratch.empty(tmp_path / "none", keep=tmp_path) == [str(tmp_path / "none")]


@pytest.mark.parametrize("name", ["LAMBDACTL_HOME", "LAMBDACTL_WORK"])
def test_the_machines_own_tmp_is_never_emptied(name: str) -> None:
    """Only in an image of ours, under a Runtime API, and not as root."""
    under = {hardening.RUNTIME_API: RUNTIME_API}
    assert handler._in_a_sandbox(under) is (os.geteuid() != 0)
    assert not handler._in_a_sandbox({**under, name: "/elsewhere"})
    assert not handler._in_a_sandbox({})
