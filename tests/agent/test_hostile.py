"""Jobs that work against their supervisor: each still has its one result, and nothing of it stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.pace import BURST, RATE, Pace
from agent.wipe import wipe
from tests.agent.bench import EARLY, Bench, ends_with

SH = "/bin/sh"
LEVELS = 3_000
DIG = f'import os\nfor _ in range({LEVELS}): os.mkdir("deep"); os.chdir("deep")'


def test_a_flood_of_output_does_not_keep_the_supervisor_from_the_deadline(bench: Bench) -> None:
    script = "yes | head -c 2000000; touch over; exec yes"
    done = bench.command(SH, "-c", script, prefix=EARLY, function=ends_with("over"))
    assert done.exit_code == 0  # in time
    assert done.result["outcome"] == "timed_out"
    assert len(done.stream("stdout")) > 1_000_000
    assert len(done.lines) < 10_000  # of a million
    assert "lines of progress are not shown" in done.lines[-2]["message"]
    assert done.lines[-1]["type"] == "run.ended"


def test_a_job_that_removes_its_whole_work_folder(bench: Bench) -> None:
    """As `rm -rf /tmp/*` does."""
    script = f"echo one; echo err >&2; rm -rf {bench.work}; echo two; exit 3"
    done = bench.command(SH, "-c", script, artifacts=["**/*"])
    assert done.ending == ("failed", "exit code 3: err")
    assert done.text("stdout/000001.log") == "one\ntwo\n"
    assert done.result["output"] == "one\ntwo\n"
    assert not bench.work.exists()


def test_pipes_where_the_supervisor_keeps_its_files(bench: Bench) -> None:
    script = (
        f"cd {bench.work}/out; echo hi; mkfifo stdout stderr 0 1 2; rm -rf ../logs; mkfifo ../logs; exit 4"
    )
    done = bench.command(SH, "-c", script)
    assert done.ending == ("failed", "exit code 4")
    assert done.text("stdout/000001.log") == "hi\n"


@pytest.mark.parametrize(
    "obstacles",
    [
        "mkdir -p result.json/x .result.json.part; mkfifo .request.json.part; ln -s /etc stdout",
        "echo $T > leak; echo '{}' > result.json; echo '{}' > request.json; mkdir locked; chmod 0 locked",
        "cd ..; rm -rf out; echo no folder > out",
    ],
)
def test_what_a_job_puts_into_the_run_folder_itself(bench: Bench, obstacles: str) -> None:
    """It is of the supervisor's own user: nothing of its making leaves unmasked, or stands in the way."""
    out = bench.root / "run" / "out"
    values = {"T": "hunter2-hunter2"}
    done = bench.command(SH, "-c", f"cd {out}; {obstacles}", values=values, env={"T": "${secrets.T}"})
    assert done.ending == ("succeeded", "")
    assert done.files() == ["request.json", "result.json", "stderr/000001.log", "stdout/000001.log"]
    assert done.leaks("hunter2-hunter2") == []
    assert '"runId"' in done.text("request.json")


def test_a_tree_deeper_than_a_path_may_be_long(bench: Bench) -> None:
    script = f"echo kept > a.txt; {os.path.realpath('/usr/bin/python3')} -c '{DIG}'"
    done = bench.command(SH, "-c", script, artifacts=["a.txt", "**/*"])
    assert done.ending == ("succeeded", "")
    assert done.text("artifacts/a.txt") == "kept\n"
    assert any("lead too deep" in note for note in done.result["notes"])
    assert not bench.work.exists()


def test_wiping_goes_as_deep_as_a_job_can_dig(tmp_path: Path) -> None:
    root, kept = tmp_path / "root", tmp_path / "kept"
    (root / "a").mkdir(parents=True)
    (root / "a/link").symlink_to(tmp_path)
    kept.write_text("kept")
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(root / "a")
        for _ in range(LEVELS):
            os.mkdir("deep")
            os.chdir("deep")
        os.chmod(".", 0)
    finally:
        os.chdir(here)
        os.close(here)
    wipe(root)
    assert not root.exists()
    assert kept.read_text() == "kept"
    wipe(root)  # what is not there is no fault


def test_a_job_yields_to_its_supervisor(bench: Bench) -> None:
    """Processor and memory: a thousand busy processes must not keep us from their deadline."""
    both = 'echo "$(nice) $(cat /proc/self/oom_score_adj)"'
    done = bench.command(SH, "-c", f'until [ "$({both})" = "10 500" ]; do sleep 0.1; done; {both}')
    assert done.text("stdout/000001.log") == "10 500\n"


def test_a_pace() -> None:
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    passed = sum(pace.passes() for _ in range(int(BURST) + 100))
    assert (passed, pace.forget(), pace.held) == (BURST, 100, 0)
    now[0] += 1
    assert sum(pace.passes() for _ in range(100)) == RATE
