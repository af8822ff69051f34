"""What a run leaves in S3 while it goes on, whatever S3 does and however the run ends. Real processes."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent import sources
from agent.folder import Folder
from agent.left import Left
from agent.mirror import ASK, CANCEL, LOOK, STREAMS, Mirror
from agent.redact import Redactor
from agent.stream import ENOUGH, FRESH, Source
from agent.supervise import Limits
from lambdactl.sandbox.answers import xml_refusal
from lambdactl.sandbox.front import Front, HangUp, Layer, Next, Request, Response
from tests.agent.bench import Bench, Done, alive, canonical, definition
from tests.agent.test_store import client, in_the_cloud
from tests.support.model import KEY

SH = "/bin/sh"
RUN_ID = "019ad3c1-7a40-7000-8000-0242ac120002"
SECRET = "value-of-a-secret"
PATIENCE = 60.0  # seconds, only against hanging


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A bench whose runs go to a bucket; `s3` sees it without what lies between the agent and it."""

    bench: Bench
    s3: Any
    bucket: str
    url: str  # of S3, for the agent

    def spawn(self, document: dict[str, Any], **how: Any) -> subprocess.Popen[str]:
        key = self.bench.store(document).name
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=canonical(document))
        event = {"version": 1, "runId": RUN_ID, **how.pop("event", {})}
        child = self.bench.spawn(document, env=in_the_cloud(self.url, self.bucket, key), **how)
        assert child.stdin
        child.stdin.write(json.dumps(event))
        child.stdin.close()
        child.stdin = None
        return child

    def command(self, script: str, **how: Any) -> subprocess.Popen[str]:
        agent = {"command": [SH, "-c", script], "env": {"T": "${secrets.T}"}}
        document = definition(agent, secrets={"T": "/demo/t"}, **how.pop("changes", {}))
        return self.spawn(document, secrets={"T": SECRET}, **how)

    def put(self, name: str, body: bytes = b"{}") -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"triage/{RUN_ID}/{name}", Body=body)

    def names(self) -> list[str]:
        prefix = f"triage/{RUN_ID}/"
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", ())
        return [each["Key"].removeprefix(prefix) for each in listed]

    def read(self, name: str) -> bytes:
        key = f"triage/{RUN_ID}/{name}"
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def stream(self, name: str) -> bytes:
        return b"".join(self.read(each) for each in self.names() if each.startswith(f"{name}/"))

    def result(self) -> dict[str, Any]:
        return dict(json.loads(self.read("result.json")))

    def until(self, so: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < end, self.names()
            time.sleep(0.2)

    def whole(self) -> None:
        """The result tells of every file as it is stored."""
        told = {each["path"]: (each["size"], each["sha256"]) for each in self.result()["files"]}
        streams = [name for name in self.names() if "/" in name and not name.startswith("control/")]
        contents = {name: self.read(name) for name in streams}
        assert told == {
            name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in contents.items()
        }


@pytest.fixture
def cloud(bench: Bench, moto_server: str) -> Cloud:
    s3 = client("s3", moto_server)
    bucket = f"agent-{os.urandom(4).hex()}"
    s3.create_bucket(Bucket=bucket)
    return Cloud(bench=bench, s3=s3, bucket=bucket, url=moto_server)


@contextmanager
def behind(cloud: Cloud, *layers: Layer) -> Iterator[Cloud]:
    with Front(cloud.url, layers) as front:
        yield replace(cloud, url=front.url)


def killed(child: subprocess.Popen[str], cloud: Cloud) -> None:
    """As a container is: all of it, at once, without a word."""
    child.kill()
    child.communicate()
    for pid in [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]:
        try:
            marked = f"AGENT_RUN={cloud.bench.work}:".encode() in Path(f"/proc/{pid}/environ").read_bytes()
            if marked:
                os.kill(pid, signal.SIGKILL)
        except OSError:
            continue


def test_a_killed_container_leaves_what_was_said(cloud: Cloud) -> None:
    script = "echo first; echo $T; echo oops >&2; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done"
    child = cloud.command(script)
    cloud.until(lambda: cloud.stream("stdout").count(b"\n") > 60)
    before = len(cloud.stream("stdout").splitlines())
    cloud.until(lambda: len(cloud.stream("stdout").splitlines()) > before)  # and so it goes on
    killed(child, cloud)
    said = cloud.stream("stdout").decode()
    lines = said.splitlines()
    assert lines[:2] == ["first", "***T***"]
    assert lines[2:] == [f"line {number}" for number in range(1, len(lines) - 1)]
    assert said.endswith("\n")
    assert cloud.stream("stderr") == b"oops\n"
    assert "result.json" not in cloud.names()
    assert len([name for name in cloud.names() if name.startswith("stdout/")]) >= 2


def test_a_run_that_is_whole_tells_of_every_part(cloud: Cloud) -> None:
    script = "for i in 1 2 3 4 5 6 7; do echo $i; printf %s value-of-; sleep 1; echo a-secret; done; ls"
    child = cloud.command(script)
    assert child.wait(PATIENCE) == 0
    assert cloud.result()["outcome"] == "succeeded"
    assert cloud.stream("stdout") == b"".join(b"%d\n***T***\n" % number for number in range(1, 8))
    assert len([name for name in cloud.names() if name.startswith("stdout/")]) > 1
    cloud.whole()


class Trouble:
    """S3 on a bad day: by turns each write is refused, throttled, cut off or not answered for a while."""

    def __init__(self, silent: float = 0.0) -> None:
        self.met = 0
        self._silent = silent

    def __call__(self, request: Request, following: Next) -> Response:
        if request.method != "PUT" or "/stdout/" not in request.target:
            return following(request)
        self.met += 1
        match self.met % 6:
            case 1:
                return xml_refusal(503, "SlowDown", "Please reduce your request rate.")
            case 2:
                raise HangUp
            case 3:
                following(request)  # done, but nobody is told
                return xml_refusal(500, "InternalError", "We encountered an internal error.")
            case 4 if self._silent:
                time.sleep(self._silent)
                raise HangUp
        return following(request)


def test_a_store_in_trouble_neither_loses_nor_delays(cloud: Cloud) -> None:
    trouble = Trouble(silent=12)
    with behind(cloud, trouble) as troubled:
        script = "for i in $(seq 1 80); do echo $i; date +%s >> times; sleep 0.1; done; cat times >&2"
        child = troubled.command(script)
        assert child.wait(PATIENCE) == 0
    assert cloud.stream("stdout").split() == [b"%d" % number for number in range(1, 81)]
    assert trouble.met > 4
    assert cloud.result()["notes"] == []
    cloud.whole()
    times = [int(each) for each in cloud.stream("stderr").split()]
    assert max(after - before for before, after in itertools.pairwise(times)) < 10  # never held up, as S3 is


def refusing(*names: str) -> Layer:
    def layer(request: Request, following: Next) -> Response:
        if request.method == "PUT" and any(f"/{name}" in request.target for name in names):
            return xml_refusal(403, "AccessDenied", "Access Denied")
        return following(request)

    return layer


def answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    stdout, _ = child.communicate(timeout=PATIENCE)
    return dict(json.loads(stdout.splitlines()[-1]))


def test_what_cannot_be_stored_for_good_is_said_in_the_response(cloud: Cloud) -> None:
    with behind(cloud, refusing("stderr/", "artifacts/b")) as refused:
        script = f"echo out; echo err >&2; touch a.txt b.txt {SECRET}.txt"
        response = answer(refused.command(script, timeout=8, changes={"artifacts": ["*.txt"]}))
    assert response["outcome"] == "succeeded"
    said = " ".join(response["unstored"])
    assert "stderr from part 1 on" in said
    assert "artifacts/b.txt" in said
    assert "AccessDenied" in said
    assert SECRET not in said
    assert set(response["unstored"]) <= set(cloud.result()["notes"])
    assert cloud.stream("stdout") == b"out\n"
    assert "artifacts/a.txt" in cloud.names()
    cloud.whole()


def test_without_a_result_the_invocation_fails_and_the_rest_stays(cloud: Cloud) -> None:
    with behind(cloud, refusing("result.json")) as refused:
        child = refused.command("echo out")
        _, stderr = child.communicate(timeout=PATIENCE)
    assert child.returncode == 1
    assert stderr.startswith("StoreError: cannot write")
    assert cloud.stream("stdout") == b"out\n"


def test_cancel_ends_a_run_with_everything_gathered(cloud: Cloud) -> None:
    child = cloud.command("echo begun; echo kept > kept.txt; sleep 7211", changes={"artifacts": ["*.txt"]})
    cloud.until(lambda: (cloud.bench.work / "workspace" / "kept.txt").exists())
    cloud.put(CANCEL)
    assert answer(child)["outcome"] == "cancelled"
    assert cloud.result()["reason"] == "somebody asked for it (control/cancel)"
    assert cloud.read("artifacts/kept.txt") == b"kept\n"
    assert cloud.stream("stdout") == b"begun\n"
    assert not alive("sleep 7211")
    cloud.whole()


def test_what_is_promised_in_seconds() -> None:
    """A cancelled run ends within 15 seconds, and a killed one loses no more: as far as it lies with us."""
    assert ASK + LOOK + Limits(until=lambda: 0.0).patience < 12
    assert 2 * FRESH + LOOK < 12  # half a line waits for its other half once


def test_an_agent_that_leaves_no_room_for_a_thread_is_mirrored_later(tmp_path: Path) -> None:
    """On Lambda there are 1,024 for all, and a job may use them up."""
    refused: list[object] = []

    class Full(ThreadPoolExecutor):
        def submit(self, *call: Any, **arguments: Any) -> Future[Any]:
            if len(refused) < 2:
                refused.append(call)
                raise RuntimeError("can't start new thread")
            return super().submit(*call, **arguments)

    store, now = Folder(tmp_path / "run"), [1.0]
    store.open("triage/", RUN_ID)
    (tmp_path / "out").write_bytes(b"x" * ENOUGH)
    found = [Source(folder="stdout", suffix=".log", path=tmp_path / "out")]
    mirror = Mirror(store, Redactor({}), lambda: found, clock=lambda: now[0], pool=Full)
    assert not mirror.cancelled()
    mirror.start()
    until = time.monotonic() + PATIENCE
    while not store.exists("stdout/000001.log"):
        assert time.monotonic() < until
        time.sleep(0.1)
    mirror.stop()
    assert len(refused) == 2


def test_it_is_asked_for_after_the_agents_end_too(tmp_path: Path) -> None:
    """A leg is handed over then, which may take a minute."""
    store, now = Folder(tmp_path / "run"), [1.0]
    store.open("triage/", RUN_ID)
    mirror = Mirror(store, Redactor({}), list, clock=lambda: now[0])
    mirror.start()
    mirror.stop()
    assert not mirror.cancelled()
    store.put(CANCEL, b"{}", "application/json")
    until = time.monotonic() + PATIENCE
    while not mirror.cancelled():
        assert time.monotonic() < until
        now[0] += ASK
        time.sleep(0.01)
    mirror.finish(Left(), 1.0)
    assert mirror.cancelled()


def test_a_run_cancelled_before_it_began_does_no_work(cloud: Cloud) -> None:
    cloud.put(CANCEL)
    child = cloud.command(f"touch {cloud.bench.root}/worked")
    assert answer(child)["outcome"] == "cancelled"
    assert cloud.result()["reason"] == "cancelled before it began"
    assert not (cloud.bench.root / "worked").exists()


def test_in_a_folder_only_the_supervisors_last_word_counts(bench: Bench) -> None:
    """There a job can write over what was stored while it ran."""
    out = bench.root / "run" / "out"
    script = (
        f"echo one; until [ -s {out}/stdout/000001.log ]; do sleep 0.2; done; cd {out}; echo {SECRET} > x;"
        f" echo forged > stdout/000001.log; echo forged > stdout/000002.log; rm -rf stderr; echo two"
    )
    done = bench.command(SH, "-c", script, values={"T": SECRET})
    assert done.ending == ("succeeded", "")
    assert done.stream("stdout") == b"one\ntwo\n"
    assert done.files() == ["request.json", "result.json", "stderr/000001.log", "stdout/000001.log"]


def test_a_folder_with_traps_is_still_mirrored(bench: Bench) -> None:
    """Pipes and folders where parts are to go keep nobody waiting."""
    out = bench.root / "run" / "out"
    script = f"cd {out}; mkdir -p stdout/000001.log/x stderr; mkfifo stderr/000001.log; echo one; sleep 8"
    done: Done = bench.command(SH, "-c", script)
    assert done.ending == ("succeeded", "")
    assert done.stream("stdout") == b"one\n"


def test_streams_are_bounded_and_none_writes_over_another(tmp_path: Path) -> None:
    store, left = Folder(tmp_path / "run"), Left()
    store.open("triage/", RUN_ID)
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(STREAMS + 2):
        (logs / f"{number:04}.log").write_text(f"{number}\n")
    (logs / os.fsdecode(b"0000\xff.log")).write_text("one\n")  # two names that read the same
    (logs / os.fsdecode(b"0000\xfe.log")).write_text("other\n")
    found = [*sources._below(logs, "**/*", "mcp", Redactor({}))]
    mirror = Mirror(store, Redactor({}), lambda: found)
    files = mirror.finish(left, seconds=PATIENCE)
    assert len(files) == len({file.path for file in files}) == STREAMS
    (names,) = left.by_reason.values()
    assert len(names) == 4
    assert store.get("mcp/0000\ufffd/000001.log") == b"other\n"


def test_any_name_of_a_file_is_that_of_a_stream(tmp_path: Path) -> None:
    """Python 3.13 refuses to take the end off some."""
    names = ("..log", "a.log", "a.", ".a", "...a.b")
    for name in names:
        (tmp_path / name).write_text(f"{name}\n")
    found = {source.path.name: source for source in sources._below(tmp_path, "**/*", "mcp", Redactor({}))}
    assert {name: (found[name].folder, found[name].suffix) for name in names} == {
        "..log": ("mcp/..log", ".log"),
        "a.log": ("mcp/a", ".log"),
        "a.": ("mcp/a.", ".log"),
        ".a": ("mcp/.a", ".log"),
        "...a.b": ("mcp/...a", ".b"),
    }


def test_a_search_that_fails_costs_no_stream_that_was_found(tmp_path: Path) -> None:
    store, left = Folder(tmp_path / "run"), Left()
    (tmp_path / "a.log").write_text("one\n")
    searches = 0

    def found() -> Iterable[Source]:
        nonlocal searches
        searches += 1
        if searches > 1:
            raise ValueError("a name that nobody thought of")
        return sources._below(tmp_path, "a.log", "mcp", Redactor({}))

    mirror = Mirror(store, Redactor({}), found)
    mirror.start()
    while not searches:
        time.sleep(0.1)
    mirror.stop()
    assert [file.path for file in mirror.finish(left, seconds=PATIENCE)] == ["mcp/a/000001.log"]
    why = "they could not be looked for (ValueError: a name that nobody thought of)"
    assert left.by_reason == {why: ["streams that came last"]}


def test_what_floods_costs_no_event(tmp_path: Path) -> None:
    store, left = Folder(tmp_path / "run"), Left()
    store.open("triage/", RUN_ID)
    (tmp_path / "logs").mkdir()
    found: list[Source] = []
    for name, size in (("events", 400), ("stderr", 100), ("a", 400), ("b", 400)):
        (tmp_path / "logs" / f"{name}.log").write_bytes(b"x" * (size - 1) + b"\n")
    for name in ("events", "stderr", "a", "b"):
        found += sources._below(tmp_path / "logs", f"{name}.log", "mcp", Redactor({}))
    mirror = Mirror(store, Redactor({}), lambda: found, most=1000)
    files = mirror.finish(left, seconds=PATIENCE)
    stored = {file.path.split("/")[1]: file.size for file in files}
    assert (stored["events"], stored["stderr"]) == (400, 100)
    assert sum(size for name, size in stored.items() if len(name) == 1) == 400
    ((reason, names),) = left.by_reason.items()
    assert reason == "they could not be stored (over 500 bytes in all)"
    assert len(names) == 1


# -- the real CLIs -------------------------------------------------------------------------------------


def agent(kind: str, *steps: dict[str, Any]) -> dict[str, Any]:
    """A definition for an agent that takes these steps; its servers' and its own words go to files."""
    claude = kind == "claude-code"
    key = "ANTHROPIC_API_KEY" if claude else "OPENAI_API_KEY"
    server = {"type": "stdio", "command": "mcp-server-everything", "args": ["stdio"], "env": {}}
    return definition(
        {
            "type": kind,
            "version": "",
            "model": "claude-sonnet-4-5" if claude else "gpt-5-codex",
            "provider": "anthropic" if claude else "openai",
            "prompt": f"SCRIPT: {json.dumps(steps)}",
            "env": {"T": "${secrets.T}"},
        },
        secrets={key: "/demo/key", "T": "/demo/t"},
        mcpServers={"everything": server},
        artifacts=["*.txt"],
    )


@pytest.fixture
def agents(cloud: Cloud, clis: Bench) -> Cloud:
    return replace(cloud, bench=clis)


def steps(sleeper: str) -> tuple[dict[str, Any], ...]:
    return (
        {"say": "I start"},
        {"bash": "echo $T; echo kept > kept.txt"},
        {"bash": sleeper},
        {"say": "too late"},
    )


SECRETS = {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY, "T": SECRET}


@pytest.mark.parametrize("kind", ["claude-code", "codex"])
def test_a_killed_agent_leaves_its_events_and_transcript(agents: Cloud, kind: str) -> None:
    child = agents.spawn(agent(kind, *steps("sleep 7221")), secrets=SECRETS)
    agents.until(
        lambda: (
            all(b"sleep 7221" in agents.stream(name) for name in ("events", "transcript"))
            and agents.stream("mcp") != b""
        )
    )
    killed(child, agents)
    assert "result.json" not in agents.names()
    for name in agents.names():
        for value in (KEY, SECRET):
            assert value.encode() not in agents.read(name)
    transcripts = {name.rpartition("/")[0] for name in agents.names() if name.startswith("transcript/")}
    for folder in transcripts:
        for line in agents.stream(folder).splitlines():
            json.loads(line)  # what can be resumed from
    assert b"***T***" in agents.stream("events")


@pytest.mark.parametrize("kind", ["claude-code", "codex"])
def test_a_cancelled_agent_is_gathered_whole(agents: Cloud, kind: str) -> None:
    sleeper = {"claude-code": "sleep 7231", "codex": "sleep 7232"}[kind]  # they may run side by side
    child = agents.spawn(agent(kind, *steps(sleeper)), secrets=SECRETS)
    agents.until(lambda: bool(alive(sleeper)))
    agents.put(CANCEL)
    assert answer(child)["outcome"] == "cancelled"
    assert agents.read("artifacts/kept.txt") == b"kept\n"
    assert agents.result()["resumable"]
    assert not alive(sleeper)
    agents.whole()


def test_a_cancel_after_the_last_word_takes_nothing_back(cloud: Cloud) -> None:
    last = json.dumps({"type": "result", "subtype": "success", "result": "done", "num_turns": 1, "usage": {}})
    program = cloud.bench.home / "bin" / "claude"
    program.write_text(f"#!/bin/sh\necho '{last}'\ntouch said\nexec sleep 7241\n")
    program.chmod(0o755)
    child = cloud.spawn(agent("claude-code", {"say": "done"}), secrets=SECRETS)
    cloud.until(lambda: (cloud.bench.work / "workspace" / "said").exists())
    cloud.put(CANCEL)
    assert answer(child)["outcome"] == "succeeded"
    assert cloud.result()["output"] == "done"
    assert cloud.result()["signal"] == "SIGTERM"  # it was cancelled before it had lingered too long


def written_again(request: Request, following: Next) -> Response:
    """What S3 has already cannot be written once more."""
    if request.method == "PUT" and "/request.json" in request.target and not request.header("if-none-match"):
        return xml_refusal(403, "AccessDenied", "Access Denied")
    return following(request)


def test_a_record_that_is_there_already_costs_no_result(cloud: Cloud) -> None:
    with behind(cloud, written_again) as refused:
        response = answer(refused.command("echo out"))
    assert response["outcome"] == "succeeded"
    assert cloud.stream("stdout") == b"out\n"


def test_an_input_that_cannot_be_stored_keeps_no_run_from_its_work(cloud: Cloud) -> None:
    """The run is claimed by then: nobody else would do it."""
    with behind(cloud, refusing("input.json")) as refused:
        response = answer(refused.command("cat input.json", event={"input": {"a": 1}}))
    assert response["outcome"] == "succeeded"
    assert "AccessDenied" in response["unstored"][0]
    assert response["unstored"][0].endswith(": input.json")
    assert cloud.stream("stdout") == b'{"a": 1}'
