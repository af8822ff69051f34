"""Which group of this machine a container's memory is in, and who is killed in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdactl.container import Engine
from lambdactl.runners import memory


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("9:memory:/docker/abc\n1:cpu:/docker/abc\n", "memory/docker/abc"),
        ("0::/machine.slice/libpod-abc.scope\n", "machine.slice/libpod-abc.scope"),
        ("9:memory:/user.slice\n0::/user.slice\n", ""),  # a process of this machine that has the number too
        ("", ""),
    ],
)
def test_the_group_is_the_container_s_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, found: str
) -> None:
    for name in ("memory/docker/abc", "memory/user.slice", "user.slice", "machine.slice/libpod-abc.scope"):
        (tmp_path / "cgroup" / name).mkdir(parents=True)
        (tmp_path / "cgroup" / name / "memory.stat").write_text("anon 1\n")
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cgroup").write_text(lines)
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "cgroup")
    assert memory.group_of("7", "abc") == (tmp_path / "cgroup" / found if found else None)
    assert memory.group_of("8", "abc") is None


def test_what_one_process_took_is_no_other_s_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was killed holds its memory until it has ended, which on a busy machine takes a while;
    it is the smallest by then."""
    killed: list[int] = []
    monkeypatch.setattr(memory, "PROC", tmp_path)
    monkeypatch.setattr("os.kill", lambda pid, _: killed.append(pid))
    monkeypatch.setattr(memory, "ENDS", 0)
    for pid, pages in (("7", 500), ("8", 9000), ("9", 400)):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "statm").write_text(f"{pages} {pages} 0\n")
        (tmp_path / pid / "status").write_text("VmRSS:\t4 kB\nSigPnd:\t0\nShdPnd:\t0\n")
    (tmp_path / "cgroup.procs").write_text("7\n8\n9\n")
    watch = memory.Memory(Engine(name="docker", executable="/bin/false", buildx=False), "c", 1)
    (tmp_path / "memory.stat").write_text(f"total_rss {2 << 20}\n")
    watch._sample(tmp_path)
    (tmp_path / "8" / "status").write_text("VmRSS:\t4 kB\nSigPnd:\t0000000000000100\nShdPnd:\t0\n")
    watch._sample(tmp_path)
    (tmp_path / "8" / "statm").write_text("0 0 0\n")
    (tmp_path / "8" / "status").write_text("SigPnd:\t0\nShdPnd:\t0\n")
    watch._sample(tmp_path)
    assert killed == [8]
    (tmp_path / "cgroup.procs").write_text("7\n9\n")  # it has ended, and there is still too much
    watch._sample(tmp_path)
    assert killed == [8, 7]
    watch._sample(tmp_path)  # a process that has the number now, or one that was deaf
    assert killed == [8, 7, 7]


def test_an_engine_that_is_slow_to_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run on a busy machine would have no limit of memory, and nobody would be told."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nsleep 1\necho true 7 abc\n")
    program.chmod(0o755)
    monkeypatch.setattr(memory, "PATIENCE", 0.1)
    engine = Engine(name="docker", executable=str(program), buildx=False)
    assert memory._state(engine, "abc") == ["true", "7", "abc"]
