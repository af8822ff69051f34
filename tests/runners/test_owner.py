"""Who is alive, where there is no /proc: by the programs that macOS has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lambdactl.runners import owner
from lambdactl.runners.owner import Owner

SYSCTL = """\
#!/bin/sh
[ "$*" = "-n kern.bootsessionuuid" ] && echo 5B1C2D3E-0000-4000-8000-000000000000
"""


@pytest.fixture
def without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with the real ps and a sysctl that knows macOS's name; its programs' folder."""
    monkeypatch.setattr(owner, "PROC", tmp_path / "none")
    _program(tmp_path / "sysctl", SYSCTL)
    monkeypatch.setitem(owner.ASKING, "PATH", f"{tmp_path}:{owner.ASKING['PATH']}")
    return tmp_path


def test_a_living_process_and_a_dead_one(without_proc: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        theirs = Owner("5b1c2d3e.0", child.pid, owner._started(child.pid))
        assert theirs.started.isdigit()
        assert not theirs.is_gone()
        child.kill()
    assert theirs.is_gone()
    assert Owner.this().machine == "5b1c2d3e.0"
    assert not Owner.this().is_gone()
    assert Owner.of(Owner.this().new_name()) == Owner.this()


def test_a_process_id_that_was_given_again(without_proc: Path) -> None:
    assert Owner("5b1c2d3e.0", os.getpid(), "1").is_gone()


def test_what_another_boot_owns_is_nobody_s_to_remove(without_proc: Path) -> None:
    assert not Owner("00000000.0", os.getpid(), "1").is_gone()


@pytest.mark.parametrize("ps", ["echo Usage >&2; exit 1", "echo some day", "exec /nonexistent/ps"])
def test_a_ps_that_cannot_tell(without_proc: Path, ps: str) -> None:
    _program(without_proc / "ps", f"#!/bin/sh\n{ps}\n")
    assert not Owner("5b1c2d3e.0", os.getpid(), "1").is_gone()
    assert not Owner.this().is_gone()


def test_a_machine_that_cannot_tell_itself(without_proc: Path) -> None:
    _program(without_proc / "sysctl", "#!/bin/sh\necho unknown oid >&2; exit 1\n")
    assert Owner.this().machine == "unknown"
    assert not Owner("unknown", os.getpid(), "1").is_gone()


def test_a_process_that_proc_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's, under the mount option `hidepid`: alive until the kernel knows it no more."""
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[4026531836]")
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("5b1c2d3e-0000-4000-8000-000000000000\n")
    monkeypatch.setattr(owner, "PROC", tmp_path)
    with subprocess.Popen(["sleep", "60"]) as child:
        theirs = Owner(Owner.this().machine, child.pid, "1")
        assert not theirs.is_gone()
        child.kill()
    assert theirs.is_gone()


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)
