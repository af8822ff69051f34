"""Which group of this machine a container's memory is in."""

from __future__ import annotations

from pathlib import Path

import pytest

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
