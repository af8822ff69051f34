"""A run that is asked for twice: the work is done once. Real supervisors, S3 by emulators."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from agent.bucket import PAUSES, Bucket
from agent.folder import Folder
from agent.store import CLAIM, StoreError
from lambdactl.sandbox.front import Front, Next, Request, Response
from lambdactl.sandbox.identify import identify
from tests.agent.bench import Bench, Done, canonical, definition
from tests.agent.test_store import CREDENTIALS, client, in_the_cloud

RUN_ID = "019ad3c1-7a40-7000-8000-0242ac120002"
EVENT = {"version": 1, "runId": RUN_ID}
PREFIX = f"triage/{RUN_ID}/"


class OneAtATime:
    """A layer: S3 decides about conditional writes one after the other; moto looks, and then writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, request: Request, following: Next) -> Response:
        if identify(request) != ("s3", "PutObject"):
            return following(request)
        with self._lock:
            return following(request)


@pytest.fixture(params=["moto", "ministack"])
def s3_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with Front(request.getfixturevalue(f"{request.param}_server"), [OneAtATime()]) as front:
        yield front.url


class Sandboxes:
    """Two of them, for one function: each with folders of its own, both with the same bucket."""

    def __init__(self, root: Path, url: str) -> None:
        self.url, self.bucket = url, f"attempts-{os.urandom(4).hex()}"
        self.s3 = client("s3", url)
        self.s3.create_bucket(Bucket=self.bucket)
        self.benches = [Bench(root=root / name) for name in "ab"]
        for bench in self.benches:
            bench.root.mkdir()
            bench.prepare()

    def spawn(self, number: int, document: dict[str, Any]) -> subprocess.Popen[str]:
        bench = self.benches[number]
        key = bench.store(document).name
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=canonical(document))
        return bench.spawn(document, env=in_the_cloud(self.url, self.bucket, key))

    def finish(self, number: int, child: subprocess.Popen[str]) -> Done:
        return self.benches[number].finish(child, EVENT)

    def names(self) -> set[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=PREFIX).get("Contents", ())
        return {each["Key"].removeprefix(PREFIX) for each in listed}


@pytest.fixture
def sandboxes(tmp_path: Path, s3_url: str) -> Sandboxes:
    return Sandboxes(tmp_path, s3_url)


def counting(folder: Path, then: str = "true") -> dict[str, Any]:
    """A job that leaves a line for each time it is run."""
    return definition({"command": ["/bin/sh", "-c", f"echo run >> {folder}/count; {then}"]})


def test_two_at_once(sandboxes: Sandboxes, tmp_path: Path) -> None:
    job = counting(tmp_path, "sleep 2")
    children = [sandboxes.spawn(number, job) for number in (0, 1)]
    done: dict[int, Done] = {}

    def finish(number: int) -> None:
        done[number] = sandboxes.finish(number, children[number])

    threads = [threading.Thread(target=finish, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "count").read_text() == "run\n"
    assert [each.exit_code for each in done.values()] == [0, 0]  # an error would be tried again
    outcomes = sorted(each.response["outcome"] for each in done.values())
    # The second may come when the first has its result; then it answers with that.
    assert outcomes in (["rejected", "succeeded"], ["succeeded", "succeeded"])
    assert sandboxes.names() >= {"request.json", "result.json"}


def test_while_the_first_is_at_work(sandboxes: Sandboxes, tmp_path: Path) -> None:
    job = counting(tmp_path, "while ! [ -e go ]; do sleep 0.1; done")
    first = sandboxes.spawn(0, job)
    send(first)
    until(lambda: (tmp_path / "count").exists())
    second = sandboxes.finish(1, sandboxes.spawn(1, job))
    assert (second.exit_code, second.response["outcome"], second.lines) == (0, "rejected", [])
    assert "an earlier attempt began this run" in second.response["reason"]
    assert "result.json" not in sandboxes.names()
    (sandboxes.benches[0].work / "workspace" / "go").touch()
    done = sandboxes.finish(0, first)
    assert done.response["outcome"] == "succeeded"
    again = sandboxes.finish(1, sandboxes.spawn(1, job))
    assert (again.response, again.lines) == (done.response, [])
    assert (tmp_path / "count").read_text() == "run\n"


def test_after_a_kill_nothing_is_done_again(sandboxes: Sandboxes, tmp_path: Path) -> None:
    """The run stays lost: what the agent did halfway is not done again behind its back."""
    job = counting(tmp_path, "sleep 7501")
    first = sandboxes.spawn(0, job)
    send(first)
    until(lambda: (tmp_path / "count").exists())
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = sandboxes.finish(1, sandboxes.spawn(1, job))
    assert (second.exit_code, second.response["outcome"]) == (0, "rejected")
    assert "result.json" not in sandboxes.names()
    assert (tmp_path / "count").read_text() == "run\n"
    # The next run in the sandbox of the killed one finds nothing of it.
    fresh = Bench(root=sandboxes.benches[0].root).command("/bin/sh", "-c", "ls -A")
    assert fresh.result["output"] == ""


def test_what_fails_before_the_claim_is_tried_again(sandboxes: Sandboxes, tmp_path: Path) -> None:
    job = counting(tmp_path)
    (sandboxes.benches[0].home / "fingerprint").write_text("another")
    assert sandboxes.finish(0, sandboxes.spawn(0, job)).exit_code == 1
    assert sandboxes.finish(1, sandboxes.spawn(1, job)).response["outcome"] == "succeeded"


def test_in_a_folder(bench: Bench, tmp_path: Path) -> None:
    """What the job does to the run folder does not set it free."""
    job = counting(tmp_path, f"cd {bench.root}/run/out; rm -rf *; mkdir request.json")
    first = bench.run(job, EVENT)
    assert first.response["outcome"] == "succeeded"
    (first.folder / "result.json").unlink()
    assert bench.run(job, EVENT).response["outcome"] == "rejected"
    assert (tmp_path / "count").read_text() == "run\n"


def test_a_folder_keeps_its_claim_when_it_is_emptied(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    store.open("triage/", RUN_ID)
    assert store.claim(CLAIM, b"{}")
    (tmp_path / "out" / "leak").mkdir()
    store.reclaim()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [CLAIM]
    assert not store.claim(CLAIM, b"{}")


# -- what S3 may answer ---------------------------------------------------------------------------


def answering(url: str, bucket: str, layer: Any, slept: list[float]) -> Iterator[Bucket]:
    with Front(url, [layer]) as front:
        store = Bucket(bucket, client("s3", front.url), sleep=slept.append)
        store.open("triage/", RUN_ID)
        yield store


def error(status: int, code: str) -> Response:
    return Response(status=status, headers=(), body=f"<Error><Code>{code}</Code></Error>".encode())


class First:
    """A layer: the first `count` puts get `answer`; `after` says whether they are done all the same."""

    def __init__(self, count: int, answer: Response, *, after: bool = False) -> None:
        self.left, self.answer, self.after = count, answer, after

    def __call__(self, request: Request, following: Next) -> Response:
        if identify(request) != ("s3", "PutObject") or not self.left:
            return following(request)
        self.left -= 1
        if self.after:
            following(request)
        return self.answer


@pytest.fixture
def place(moto_server: str) -> tuple[str, str]:
    name = f"attempts-{os.urandom(4).hex()}"
    boto3.client("s3", endpoint_url=moto_server, **CREDENTIALS).create_bucket(Bucket=name)
    return moto_server, name


def test_our_own_write_whose_answer_was_lost_is_ours(place: tuple[str, str]) -> None:
    lost = First(1, error(500, "InternalError"), after=True)
    for store in answering(*place, lost, []):
        assert store.claim(CLAIM, b"mine")
        assert not store.claim(CLAIM, b"another's")


def test_while_another_write_is_on_its_way_it_waits(place: tuple[str, str]) -> None:
    slept: list[float] = []
    for store in answering(*place, First(2, error(409, "ConditionalRequestConflict")), slept):
        assert store.claim(CLAIM, b"mine")
    assert slept == list(PAUSES[:2])


def test_but_not_for_ever(place: tuple[str, str]) -> None:
    for store in answering(*place, First(99, error(409, "ConditionalRequestConflict")), []):
        with pytest.raises(StoreError, match="cannot write s3://"):
            store.claim(CLAIM, b"mine")


def test_a_refusal_is_no_claim(place: tuple[str, str]) -> None:
    for store in answering(*place, First(9, error(403, "AccessDenied")), []):
        with pytest.raises(StoreError, match="AccessDenied"):
            store.claim(CLAIM, b"mine")


def send(child: subprocess.Popen[str]) -> None:
    """The event, without waiting for the end."""
    assert child.stdin
    child.stdin.write(json.dumps(EVENT))
    child.stdin.close()
    child.stdin = None


def until(holds: Any) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
