"""Both real CLIs behind the model proxy: the key stays with the supervisor, limits end a run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdactl.sandbox.model import ScriptedModel
from tests.agent.bench import EARLY, Bench, Done, alive, definition, ends_with
from tests.support.model import KEY

PRICE = {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75}
AGENTS: dict[str, dict[str, Any]] = {
    "claude-code": {"version": "2.1.240", "model": "claude-sonnet-4-5", "provider": "anthropic"},
    "codex": {"version": "0.169.0", "model": "gpt-5.5", "provider": "openai"},
}
KEYS = {"claude-code": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY"}
MANY = [{"bash": f"echo {number}"} for number in range(20)]


def document(kind: str, *steps: dict[str, Any], **agent: Any) -> dict[str, Any]:
    prices = {each["model"]: PRICE for each in AGENTS.values()}
    prompt = f"SCRIPT: {json.dumps(steps)}"
    given = {"type": kind, "prompt": prompt, "prices": prices, **AGENTS[kind], **agent}
    return definition(given, secrets={KEYS[kind]: "/demo/key"}, artifacts=["*.txt"])


def run(clis: Bench, kind: str, *steps: dict[str, Any], **agent: Any) -> Done:
    return clis.run(document(kind, *steps, **agent), secrets={KEYS[kind]: KEY})


def tokens(done: Done) -> int:
    return sum(done.result["usage"].values())


@pytest.mark.parametrize("around", ["\n", " \r\n"])
def test_a_key_that_was_stored_with_the_end_of_its_line(clis: Bench, around: str) -> None:
    job = document("claude-code", {"say": f"it is {KEY}"})
    done = clis.run(job, secrets={"ANTHROPIC_API_KEY": f"{KEY}{around}"})
    assert done.ending == ("succeeded", "")
    assert done.leaks(KEY) == []


def test_a_key_that_no_header_can_carry_is_told_and_not_shown(clis: Bench) -> None:
    done = clis.run(document("claude-code"), secrets={"ANTHROPIC_API_KEY": f"{KEY}\nnext-line"})
    assert done.ending == (
        "failed",
        "the secret ANTHROPIC_API_KEY is no key: it has characters that no header can carry",
    )
    assert done.leaks(KEY) == []


@pytest.mark.parametrize("kind", AGENTS)
def test_the_same_run_costs_the_same_with_both(clis: Bench, scripted_model: ScriptedModel, kind: str) -> None:
    done = run(clis, kind, {"bash": "true"}, {"say": "done"})
    assert done.ending == ("succeeded", "")
    usage = done.result["usage"]
    expected = (
        usage["inputTokens"] * 3 + usage["outputTokens"] * 15
        + usage["cacheReadTokens"] * 0.3 + usage["cacheWriteTokens"] * 3.75
    ) / 1e6  # fmt: skip
    assert done.result["costUsd"] == pytest.approx(expected, abs=1e-6)
    (line,) = [line for line in done.lines if line["type"] == "agent.usage"]
    assert {name: line[name] for name in (*usage, "costUsd")} == {**usage, "costUsd": done.result["costUsd"]}
    asked = [
        each
        for each in scripted_model.requests
        if each.path.partition("?")[0].endswith(("/messages", "/responses"))
    ]
    assert len(asked) >= 2
    assert all(each.status == 200 for each in asked)


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("limit", [{"maxCostUsd": 0.05}, {"maxTokens": 30_000}])
def test_a_limit_ends_the_run(clis: Bench, kind: str, limit: dict[str, Any]) -> None:
    done = run(clis, kind, *MANY, **limit)
    outcome, reason = done.ending
    assert outcome == "budget_exceeded"  # and not its time: it asks no more for minutes
    if "maxCostUsd" in limit:
        assert f"spent ${done.result['costUsd']:.4f} of $0.05" in reason
        assert 0.05 <= done.result["costUsd"] < 0.15
    else:
        assert f"spent {tokens(done):,} of 30,000" in reason
        assert 30_000 <= tokens(done) < 90_000
    assert len([line for line in done.lines if line["type"] == "agent.tool"]) < 20
    assert [name for name in done.files() if name.startswith("transcript/")]


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_that_goes_on_without_its_model_is_stopped(clis: Bench, kind: str) -> None:
    """One of its commands holds on when the limit is reached by others: here, by the run's own token."""
    meddle = Path(__file__).with_name("meddle.py")
    script = f"python3 {meddle} > out.txt 2>&1; sleep 7321"
    done = run(clis, kind, {"bash": script}, {"say": "never"}, maxTokens=100_000)
    assert done.text("artifacts/out.txt").strip().endswith("400")
    assert done.result["outcome"] == "budget_exceeded"


FLOOD = """
import os, socket, threading, time
from urllib.parse import urlsplit
place = ("127.0.0.1", urlsplit(os.environ["ANTHROPIC_BASE_URL"]).port)
junk = [b"", b"GET /" + b"x" * 100000, b"POST /v1/messages HTTP/1.1\\r\\n\\r\\n", os.urandom(5000)]
def flood():
    while True:
        try:
            for each in junk:
                socket.create_connection(place, 1).sendall(each)
        except OSError:
            pass
for _ in range(50):
    threading.Thread(target=flood, daemon=True).start()
open("flooding.txt", "w").close()
time.sleep(7303)
"""


def test_a_flood_of_connections_keeps_no_run_from_its_deadline(clis: Bench) -> None:
    steps: list[dict[str, Any]] = [
        {"write": {"path": "flood.py", "content": FLOOD}},
        {"bash": "python3 flood.py"},
    ]
    given = document("claude-code", *steps, {"say": "never"})
    early: dict[str, Any] = {"prefix": EARLY, "env": ends_with("flooding.txt")}
    done = clis.run(given, secrets={KEYS["claude-code"]: KEY}, **early)
    assert done.exit_code == 0  # in time
    assert done.result["outcome"] == "timed_out"
    assert "artifacts/flooding.txt" in done.files()
    assert done.result["usage"]["inputTokens"] > 0
    assert not alive("flood.py")


@pytest.mark.parametrize("kind", AGENTS)
def test_it_works_behind_the_networks_proxy(clis: Bench, kind: str) -> None:
    """Which is not asked for us: nobody listens there."""
    dead = "http://127.0.0.1:9"
    env = {"HTTP_PROXY": dead, "HTTPS_PROXY": dead, "http_proxy": dead, "NO_PROXY": "example.com"}
    given = document(kind, {"say": "hello"})
    done = clis.run(given, secrets={KEYS[kind]: KEY}, env=env)
    assert (done.ending, done.result["output"]) == (("succeeded", ""), "hello")


@pytest.mark.parametrize("kind", AGENTS)
def test_env_hands_the_key_out_and_counts_nothing(clis: Bench, kind: str) -> None:
    done = run(clis, kind, {"say": "hello"}, modelAccess="env", prices={})
    assert (done.ending, done.result["output"]) == (("succeeded", ""), "hello")
    assert (done.result["costUsd"] is None) == (kind == "codex")


def test_with_env_claude_code_holds_a_limit_by_itself(clis: Bench) -> None:
    done = run(clis, "claude-code", *MANY, modelAccess="env", maxCostUsd=0.05)
    assert done.ending == ("budget_exceeded", "the limit of its cost was reached")


def _tree(root: int) -> Iterator[int]:
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(name)] = int(stat[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return iter(sorted(found))


def _readable(pid: int) -> Iterator[tuple[str, bytes]]:
    """All that can be read of a process, its memory included."""
    folder = Path(f"/proc/{pid}")
    for name in ("environ", "cmdline"):
        yield name, (folder / name).read_bytes()
    for descriptor in (folder / "fd").iterdir():
        with contextlib.suppress(OSError):  # closed by now
            target = os.readlink(descriptor)
            if target.startswith("/") and Path(target).is_file():
                yield f"fd {descriptor.name}", Path(target).read_bytes()
    with (folder / "mem").open("rb", 0) as memory:
        for line in (folder / "maps").read_text().splitlines():
            if " rw" not in line:
                continue
            start, _, end = line.split()[0].partition("-")
            try:
                memory.seek(int(start, 16))
                yield f"memory {line}", memory.read(int(end, 16) - int(start, 16))
            except (OSError, OverflowError):
                continue


@pytest.mark.parametrize("kind", AGENTS)
def test_the_key_is_nowhere_in_what_the_agent_is(clis: Bench, kind: str) -> None:
    """Not in the environment, the arguments, a file, a descriptor, or the memory of any of its processes."""
    ready = clis.work / "workspace" / "ready.txt"
    held = document(kind, {"bash": "echo > ready.txt; sleep 7322"}, {"say": "never"})
    child = clis.spawn(held, secrets={KEYS[kind]: KEY})
    assert child.stdin
    child.stdin.write('{"version": 1}')
    child.stdin.close()
    child.stdin = None
    try:
        until = time.monotonic() + 60
        while not ready.exists() and time.monotonic() < until:
            time.sleep(0.05)
        agents = [pid for pid in _tree(child.pid) if pid != child.pid]
        assert len(agents) >= 2  # the CLI and its command
        seen = 0
        for pid in agents:
            with contextlib.suppress(OSError):  # one of the CLI's own that has ended by now
                for what, content in _readable(pid):
                    seen += len(content)
                    assert KEY.encode() not in content, (pid, what)
        assert seen > 1_000_000
        for path in clis.work.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    assert KEY.encode() not in path.read_bytes(), path
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)
