"""What a run leaves in its volume on this machine, and when that is said."""

from __future__ import annotations

from pathlib import Path

from lambdactl.outlets import volume


def test_what_every_leg_left_is_brought_home_and_not_told(tmp_path: Path) -> None:
    said: list[str] = []
    home = tmp_path / "runs" / "r"
    with volume(home, said.append) as outlet:
        outlet.prepare({})
        for leg in ("1", "2"):
            (outlet.out / "legs" / leg).mkdir(parents=True)
            (outlet.out / "legs" / leg / "leg.json").write_text("{}")
            (outlet.out / "checkpoint" / leg).mkdir(parents=True)
            (outlet.out / "checkpoint" / leg / "000001.tar").write_text("unmasked")
            outlet.fetch(home)
    assert said == []
    assert sorted(str(each.relative_to(home)) for each in home.rglob("*.*")) == [
        "legs/1/leg.json",
        "legs/2/leg.json",
    ]


def test_what_nobody_fetched_is_brought_home_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    home = tmp_path / "runs" / "r"
    with volume(home, said.append) as outlet:
        (outlet.out / "events").mkdir(parents=True)
        (outlet.out / "events" / "000001.jsonl").write_text("{}\n")
    assert said == [f"what it left: {home}"]
    assert (home / "events" / "000001.jsonl").exists()
