"""Jobs of type `command`, through the agent's own door: every end is an outcome, and nothing stays behind."""

from __future__ import annotations

import json
import shutil
import signal
import sys

import pytest

from tests.agent.bench import EARLY, Bench, alive, definition, ends_with, interrupt_when

SH = "/bin/sh"


def test_success_leaves_output_artifacts_and_a_result(bench: Bench) -> None:
    (bench.home / "files" / "tool.sh").write_text(
        "#!/bin/sh\nmkdir out && cp input.json out/copy.md && echo done\n"
    )
    (bench.home / "files" / "tool.sh").chmod(0o555)
    done = bench.command("./tool.sh", event={"version": 1, "input": {"n": 7}}, artifacts=["out/*.md"])
    assert done.exit_code == 0
    assert done.ending == ("succeeded", "")
    assert done.files() == [
        "artifacts/out/copy.md",
        "input.json",
        "request.json",
        "result.json",
        "stderr/000001.log",
        "stdout/000001.log",
    ]
    assert json.loads(done.text("artifacts/out/copy.md")) == {"n": 7}
    assert done.result["output"] == "done\n"
    assert done.response["result"] == str(done.folder / "result.json")
    assert [line["type"] for line in done.lines] == ["run.started", "agent.text", "run.ended"]
    assert not bench.work.exists()


@pytest.mark.parametrize(
    ("script", "exit_code", "signal_", "reason"),
    [
        ("exit 3", 3, None, "exit code 3"),
        ("echo it broke >&2; exit 4", 4, None, "exit code 4: it broke"),
        ("kill -TERM $$", None, "SIGTERM", "killed by SIGTERM"),
    ],
)
def test_failures(bench: Bench, script: str, exit_code: int, signal_: str, reason: str) -> None:
    done = bench.command(SH, "-c", script)
    assert done.ending == ("failed", reason)
    assert (done.result["exitCode"], done.result["signal"]) == (exit_code, signal_)


def test_a_missing_program(bench: Bench) -> None:
    done = bench.command("no-such-program")
    assert done.ending == ("failed", "cannot start no-such-program: No such file or directory")
    assert done.exit_code == 0  # a result was stored


def test_the_deadline_ends_all_it_started(bench: Bench) -> None:
    """A grandchild in a session of its own that ignores SIGTERM, and one that hides its environment."""
    script = (
        "echo begun > begun.txt; echo said;"
        " setsid sh -c 'trap \"\" TERM INT HUP; sleep 7001' &"
        " env -i /bin/sh -c 'setsid sleep 7002' & sleep 1; touch over; sleep 7003"
    )
    done = bench.command(SH, "-c", script, artifacts=["*.txt"], prefix=EARLY, function=ends_with("over"))
    assert done.exit_code == 0  # in time
    assert done.ending == (
        "timed_out",
        "stopped, and what there was saved, ahead of the time limit of 60 s",
    )
    assert done.text("artifacts/begun.txt") == "begun\n"
    assert done.text("stdout/000001.log") == "said\n"
    assert not [line for number in (7001, 7002, 7003) for line in alive(f"sleep {number}")]


def test_what_is_left_in_the_background_ends_with_the_run(bench: Bench) -> None:
    done = bench.command(SH, "-c", "setsid sleep 7011 & echo main is done")
    assert done.ending == ("succeeded", "")
    assert not alive("sleep 7011")


def test_a_polite_stop_is_heard(bench: Bench) -> None:
    script = "trap 'echo tidied > tidied.txt; exit 0' TERM; touch over; sleep 7021 & wait"
    done = bench.command(SH, "-c", script, artifacts=["*.txt"], prefix=EARLY, function=ends_with("over"))
    assert done.result["outcome"] == "timed_out"
    assert done.text("artifacts/tidied.txt") == "tidied\n"


def test_a_signal_to_the_supervisor_cancels_and_stores(bench: Bench) -> None:
    child = bench.spawn(definition({"command": [SH, "-c", "echo here; echo > begun.txt; sleep 7031"]}))
    assert child.stdin
    child.stdin.write("{}")
    child.stdin.close()
    child.stdin = None
    interrupt_when(child, bench.work / "workspace" / "begun.txt", signal.SIGTERM)
    done = bench.finish(child)
    assert (done.exit_code, done.ending) == (0, ("cancelled", "the supervisor was asked to stop"))
    assert done.text("stdout/000001.log") == "here\n"


def test_the_environment_is_an_allow_list(bench: Bench) -> None:
    done = bench.command(
        SH, "-c", "env", values={"TOKEN": "token-value-1"}, env={"GREETING": "hi ${secrets.TOKEN}!"}
    )
    names = {line.partition("=")[0] for line in done.text("stdout/000001.log").splitlines()}
    assert not [name for name in names if name.startswith(("AWS_", "LAMBDACTL_"))]
    assert names <= {
        "AGENT_RUN", "GREETING", "HOME", "LANG", "OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR", "UV_CACHE_DIR",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "_",
        "npm_config_cache", "npm_config_update_notifier",
    }  # fmt: skip
    assert "GREETING=hi ***TOKEN***!" in done.text("stdout/000001.log")


def test_values_leave_nowhere(bench: Bench) -> None:
    """Not even those of the function itself, which a process of the same user may find out."""
    script = (
        "echo $T; echo $T >&2; echo $T > $T.txt; printf %s $T | base64 > b.txt;"
        " echo made-up-secret-access-key > k.txt; cat input.json > i.txt; exit 1"
    )
    done = bench.command(
        SH, "-c", script, event={"asked": "hunter2-hunter2"}, values={"T": "hunter2-hunter2"},
        env={"T": "${secrets.T}"}, artifacts=["*.txt"],
    )  # fmt: skip
    assert len(done.result["files"]) == 6
    assert done.text("artifacts/b.txt") == "***T***\n"
    assert done.text("artifacts/k.txt") == "***AWS_SECRET_ACCESS_KEY***\n"
    for value in ("hunter2-hunter2", "aHVudGVyMi1odW50ZXIy", "made-up-secret-access-key"):
        assert done.leaks(value) == []


SPELLS = """
import base64, json, os, urllib.parse
T = os.environ["T"]
spellings = (
    T, base64.b64encode(T.encode()).decode(), urllib.parse.quote(T, safe=""), json.dumps(T)[1:-1],
    json.dumps(json.dumps({"T": T})),
)
with open(1, "wb") as out:
    for cut in (64 << 10, 256 << 10, 1 << 20, 5 << 20):
        for number, spelled in enumerate(spellings):
            content = b"x" * (cut - 7) + spelled.encode() + b"\\n"
            out.write(content)
            with open(f"{cut}-{number}.txt", "wb") as file:
                file.write(content)
"""


def test_no_spelling_of_a_value_leaves_wherever_a_chunk_ends(bench: Bench) -> None:
    """Around the places where a stream is cut: what is read, masked and sent at once."""
    value = 'p@ss/w"rd <with> all & 100%+'
    done = bench.command(
        sys.executable, "-c", SPELLS, values={"T": value}, env={"T": "${secrets.T}"}, artifacts=["*.txt"]
    )
    assert done.ending == ("succeeded", "")
    assert done.stream("stdout").count(b"***T***") == 20
    artifacts = [name for name in done.files() if name.startswith("artifacts/")]
    assert [done.text(name).count("***T***") for name in artifacts] == [1] * 20
    for part in (value, "p@ss", "p%40ss", 'w\\"rd', "cEBzcy93"):
        assert done.leaks(part) == []


def test_a_missing_secret_is_a_result(bench: Bench) -> None:
    done = bench.run(definition({"command": ["true"]}, secrets={"TOKEN": "/demo/token"}))
    assert done.ending == ("failed", "no value was given for: TOKEN")


def test_an_undeclared_reference_is_a_result(bench: Bench) -> None:
    done = bench.command("true", env={"X": "${secrets.OTHER}"})
    assert done.ending == ("failed", "${secrets.OTHER} is used, but the job declares no secret OTHER")


def test_a_second_delivery_of_an_event_does_nothing(bench: Bench) -> None:
    """Lambda delivers an asynchronous event at least once."""
    run_id = "019ad3c1-7a40-7000-8000-0242ac120002"
    first = bench.command(SH, "-c", "date +%N", event={"version": 1, "runId": run_id})
    before = first.result
    again = bench.command(SH, "-c", "date +%N", event={"version": 1, "runId": run_id})
    assert (again.result, again.response, again.lines) == (before, first.response, [])


def test_a_run_finds_nothing_of_the_one_before(bench: Bench) -> None:
    for number in range(2):
        event = {"version": 1, "runId": f"019ad3c1-7a40-7000-8000-00000000000{number}"}
        done = bench.command(
            SH, "-c", "ls -A . $HOME $TMPDIR; echo x | tee left $HOME/left $TMPDIR/left; chmod 0 .",
            event=event,
        )  # fmt: skip
        assert "left" not in done.text("stdout/000001.log").replace("x\n", "")
        shutil.rmtree(done.folder)
        assert not bench.work.exists()


def test_output_without_a_line_end_is_kept_whole(bench: Bench) -> None:
    done = bench.command(SH, "-c", "head -c 900000 /dev/zero | tr '\\0' x")
    assert len(done.stream("stdout")) == 900_000
    assert len(done.lines[1]["text"]) < 9_000


def test_a_line_over_a_megabyte_is_kept_and_masked_and_not_looked_at(bench: Bench) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x; echo $T; echo short"
    done = bench.command(SH, "-c", script, values={"T": "s3cr3t-value"}, env={"T": "${secrets.T}"})
    assert done.ending == ("succeeded", "")
    assert done.stream("stdout") == b"x" * 3_000_000 + b"***T***\nshort\n"
    assert [line["text"] for line in done.lines if line["type"] == "agent.text"] == ["short"]
    assert "lines of output over 1 MiB that were not looked at: 1" in done.result["notes"]


def test_a_full_disk_costs_output_but_not_the_result(bench: Bench) -> None:
    """A limit on the size of files stands for the disk: what does not fit raises, as ENOSPC does."""
    job = definition({"command": [SH, "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end"]})
    done = bench.run(job, prefix=(SH, "-c", 'ulimit -f 1000; exec "$@"', SH))
    assert done.result["outcome"] == "succeeded"
    # sh counts in blocks of 512 bytes, or of 1,024 where it is bash
    assert len(done.stream("stdout")) in (512_000, 1_024_000)
    note = next(each for each in done.result["notes"] if "disk" in each)
    assert note.startswith("bytes of output that could not be kept")
    assert done.lines[-2]["text"] == "the end"


def test_half_a_surrogate_in_the_input_is_no_error(bench: Bench) -> None:
    done = bench.command("cat", "input.json", event={"a": "\ud800 é"})
    assert (done.result["outcome"], done.result["output"]) == ("succeeded", '{"a": "\\ud800 é"}')
    assert json.loads(done.text("input.json")) == {"a": "\ud800 é"}


def test_dev_stdout_truncates_nothing(bench: Bench) -> None:
    done = bench.command(SH, "-c", "echo one; echo two > /dev/stdout; echo three")
    assert done.text("stdout/000001.log") == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("hash", "Mismatch: the definition"),
        ("fingerprint", "Mismatch: the definition is for the image ffff"),
        ("version", "ContractError: not a definition of version 1"),
        ("missing", "StoreError: cannot read the definition"),
    ],
)
def test_a_definition_that_does_not_fit_raises_before_any_work(bench: Bench, change: str, error: str) -> None:
    document = definition({"command": [SH, "-c", f"touch {bench.root}/worked"]})
    path = bench.store({**document, "version": 2} if change == "version" else document)
    if change == "hash":
        path.write_bytes(path.read_bytes() + b" ")
    elif change == "fingerprint":
        (bench.home / "fingerprint").write_text("e" * 64)
    elif change == "missing":
        path.unlink()
    other = definition({"command": ["true"]})
    done = bench.run(other, env={"LAMBDACTL_DEFINITION": str(path)})
    assert (done.exit_code, done.lines) == (1, [])
    assert done.stderr.startswith(error)
    assert not (bench.root / "worked").exists()
    assert not done.folder.exists()
