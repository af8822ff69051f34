"""Runs over several legs, with the real CLIs: each leg a process of its own, with an empty /tmp."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.mirror import ASKED, CANCEL
from lambdactl.sandbox.front import Front, Layer, Next, Request, Response
from lambdactl.sandbox.model import ScriptedModel
from tests.agent.bench import Bench, Done, canonical, definition
from tests.agent.test_claude_code import PRICES
from tests.agent.test_mirror import refusing
from tests.agent.test_store import RUN_ID, client
from tests.support.model import KEY

KEYS = {"claude-code": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY"}
AGENTS = {
    "claude-code": {"version": "2.1.240", "model": "claude-sonnet-4-5", "provider": "anthropic"},
    "codex": {"version": "0.169.0", "model": "gpt-5.5", "provider": "openai"},
}


def wait(name: str) -> dict[str, Any]:
    """A step in which a leg ends (early.py); when the CLI forgets that, it is done again, and at once."""
    return {"bash": f"test -e {name} || {{ touch {name}; sleep 60000; }}; echo waited"}


STEPS = (
    {"bash": "echo of the first leg > made.txt; echo one"},
    wait("first"),
    {"bash": "cat made.txt >> seen.txt; echo two"},
    wait("second"),
    {"bash": "cat made.txt seen.txt"},
    {"say": "It said: {result}"},
)


def document(type_: str, *steps: dict[str, Any], legs: int = 12, timeout: int = 3600, **agent: Any) -> Any:
    told = {
        "type": type_,
        **AGENTS[type_],
        "prices": PRICES,
        "prompt": f"SCRIPT: {json.dumps(steps)}",
        **agent,
    }
    secrets = {KEYS[type_]: "/demo/key"}
    return definition(told, secrets=secrets, legs=legs, timeout=timeout, artifacts=["*.txt"])


class Lambda(ThreadingHTTPServer):
    """Lambda's Invoke, which only remembers: a test decides when an event is delivered, and how often."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.traces: list[str] = []
        self.status = 202
        super().__init__(("127.0.0.1", 0), _Invoke)


class _Invoke(BaseHTTPRequestHandler):
    server: Lambda

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 202:
            assert self.path == "/2015-03-31/functions/demo-main-triage/invocations"
            assert self.headers["X-Amz-Invocation-Type"] == "Event"
            self.server.events.append(json.loads(body))
            self.server.traces.append(self.headers["X-Amzn-Trace-Id"])
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def lambda_() -> Iterator[Lambda]:
    with Lambda() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A bucket in moto, a Lambda that remembers, and the agent as each of its invocations."""

    bench: Bench
    lambda_: Lambda
    url: str
    bucket: str
    s3: Any = field(repr=False)

    def first(self, document: Any, ends: str = "first", **secrets: str) -> Done:
        """The leg that ends in the step which waits under that name."""
        return self.bench.finish(self.spawn(document, ends, **secrets), {"version": 1, "runId": RUN_ID})

    def next(self, document: Any, ends: str = "", event: Any = None, **secrets: str) -> Done:
        return self.bench.finish(self.spawn(document, ends, **secrets), event or self.event)

    @property
    def event(self) -> dict[str, Any]:
        """What starts the next leg."""
        assert self.lambda_.events, self.text("result.json")
        return self.lambda_.events[-1]

    def spawn(self, document: Any, ends: str = "", secret: str = KEY, **more: str) -> subprocess.Popen[str]:
        type_, body = document["agent"]["type"], canonical(document)
        key = f".lambdactl/demo/main/jobs/triage/{hashlib.sha256(body).hexdigest()}.json"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        env = {"LAMBDACTL_DEFINITION": key, "ENDS_WITH": ends}
        prefix = (sys.executable, "-m", "tests.agent.early")
        secrets = {KEYS[type_]: secret, **more} if secret else {}
        return self.bench.spawn(document, secrets=secrets, env=env, prefix=prefix)

    def cancel(self) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"triage/{RUN_ID}/{CANCEL}", Body=b"{}")

    @contextmanager
    def behind(self, layer: Layer) -> Iterator[World]:
        """The same, with something between the agent and S3."""
        with Front(self.url, (layer,)) as front:
            env = {**self.bench.env, "AWS_ENDPOINT_URL": front.url}
            yield replace(self, bench=replace(self.bench, env=env))

    def names(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"triage/{RUN_ID}/").get("Contents", ())
        return [each["Key"].removeprefix(f"triage/{RUN_ID}/") for each in found]

    def versions(self) -> list[str]:
        """What a bucket with versions still holds of checkpoints' content, deleted or not."""
        found = self.s3.list_object_versions(Bucket=self.bucket, Prefix=f"triage/{RUN_ID}/checkpoint/")
        names = [each["Key"].rpartition("/checkpoint/")[2] for each in found.get("Versions", ())]
        return sorted(names)

    def text(self, name: str) -> str:
        body = self.s3.get_object(Bucket=self.bucket, Key=f"triage/{RUN_ID}/{name}")["Body"]
        return str(body.read().decode())

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads(self.text("result.json")))


@pytest.fixture
def world(clis: Bench, lambda_: Lambda, moto_server: str, tmp_path: Path) -> World:
    s3, bucket = client("s3", moto_server), f"legs-{tmp_path.name.lower().replace('_', '-')[-40:]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    env = {
        **clis.env,
        "AWS_ENDPOINT_URL": moto_server,
        "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{lambda_.server_port}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "demo-main-triage",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:abcd0123:3",
        "LAMBDACTL_BUCKET": bucket,
    }
    return World(bench=replace(clis, env=env), lambda_=lambda_, url=moto_server, bucket=bucket, s3=s3)


@pytest.mark.parametrize("type_", ["claude-code", "codex"])
def test_three_legs_are_one_conversation(world: World, scripted_model: ScriptedModel, type_: str) -> None:
    job = document(type_, *STEPS)
    first = world.first(job)
    assert first.response == {
        "version": 1, "runId": RUN_ID, "outcome": "continued", "reason": "it goes on in leg 2",
    }  # fmt: skip
    (event,) = world.lambda_.events
    assert (event["runId"], event["leg"]) == (RUN_ID, 2)
    assert world.lambda_.traces == [world.bench.env["_X_AMZN_TRACE_ID"]]  # Lambda counts a chain by it
    assert "result.json" not in world.names()
    assert "artifacts/made.txt" not in world.names()

    second = world.next(job, "second")
    assert second.response["reason"] == "it goes on in leg 3"
    assert world.versions() == ["3/000001.tar", "3/record.json"]  # that of the second leg is gone
    third = world.next(job)
    assert third.response["outcome"] == "succeeded"

    result = world.result
    (told,) = [line for line in third.lines if line["type"] == "agent.usage"]
    assert {name: told[name] for name in result["usage"]} == result["usage"]
    assert told["turns"] == result["turns"]
    assert result["output"].count("of the first leg") == 2
    assert [leg["ended"] for leg in result["legs"]] == ["continued", "continued", "succeeded"]
    assert result["startedAt"] == result["legs"][0]["startedAt"]
    assert result["endedAt"] == result["legs"][2]["endedAt"]
    for name, tokens in result["usage"].items():
        assert tokens == sum(leg["usage"][name] for leg in result["legs"])
    assert result["usage"]["cacheReadTokens"] > 0
    if type_ == "claude-code":  # counted by the supervisor: a CLI that is stopped tells no cost
        assert result["costUsd"] == pytest.approx(sum(leg["costUsd"] for leg in result["legs"]))
        assert all(leg["costUsd"] > 0 for leg in result["legs"])
    assert world.text("artifacts/made.txt") == "of the first leg\n"
    names = set(world.names())
    for leg in (1, 2, 3):
        assert f"legs/{leg}/events/000001.jsonl" in names
        assert f"legs/{leg}/stderr/000001.log" in names
        assert any(name.startswith(f"legs/{leg}/transcript/") for name in names)
    assert {file["path"] for file in result["files"]} == {
        name for name in names if name.rpartition("/")[2] not in ("leg.json", "request.json", "result.json")
    }
    assert world.versions() == []
    # One conversation: the model saw what was said before, and why it was stopped.
    last = json.dumps(scripted_model.requests[-1].body)
    assert "echo of the first leg > made.txt" in last
    assert last.count("Go on with the task.") == 2
    assert "leg 3 of at most 12" in last
    if type_ == "claude-code":
        assert result["turns"] == sum(leg["turns"] for leg in result["legs"]) >= 6


def test_a_secret_that_is_one_of_our_words_breaks_no_leg(world: World) -> None:
    """Nor is the session's own id masked in the checkpoint: the CLI is to find its conversation by it."""
    job, words = document("claude-code", *STEPS[:3], {"say": "it continued"}), ("sessionId", "continued")
    secrets = {f"S{number}": word for number, word in enumerate(words)}
    job["secrets"] |= {name: f"/demo/{name}" for name in secrets}
    assert world.first(job, **secrets).response["outcome"] == "continued"
    assert world.next(job, **secrets).response["outcome"] == "succeeded"
    assert [leg["ended"] for leg in world.result["legs"]] == ["continued", "succeeded"]
    assert world.result["output"] == "it ***S1***"


def test_a_leg_that_is_delivered_twice_runs_once(world: World) -> None:
    job = document("claude-code", *STEPS[:3], {"say": "done"})
    world.first(job)
    event = world.event
    assert world.next(job).response["outcome"] == "succeeded"
    written = world.text("result.json")
    assert world.next(job, event=event).response["outcome"] == "succeeded"  # what it came to
    world.s3.delete_object(Bucket=world.bucket, Key=f"triage/{RUN_ID}/result.json")
    refused = world.next(job, event=event)
    assert refused.response["outcome"] == "rejected"
    assert "result.json" not in world.names()
    assert json.loads(written)["outcome"] == "succeeded"


def test_an_event_without_its_checkpoint_does_nothing(world: World) -> None:
    job = document("claude-code", {"say": "done"})
    forged = {"version": 1, "runId": RUN_ID, "leg": 2, "checkpoint": "0" * 64}
    done = world.next(job, event=forged)
    assert done.response["outcome"] == "rejected"
    assert done.response["reason"] == "there is no checkpoint for leg 2 of this run"
    assert world.names() == []
    # Nor one that somebody else put there.
    record = b'{"version": 1, "runId": "another", "leg": 2}'
    world.s3.put_object(Bucket=world.bucket, Key=f"triage/{RUN_ID}/checkpoint/2/record.json", Body=record)
    assert world.next(job, event=forged).response["outcome"] == "rejected"
    forged["checkpoint"] = hashlib.sha256(record).hexdigest()
    assert world.next(job, event=forged).response["outcome"] == "rejected"
    assert world.names() == ["checkpoint/2/record.json"]


def test_a_leg_without_progress_ends_the_run(world: World) -> None:
    done = world.first(document("claude-code", wait("first"), {"say": "never"}))
    assert done.response["outcome"] == "failed"
    assert done.response["reason"].startswith("leg 1 made no progress: no tool answered in it")
    assert world.lambda_.events == []
    assert world.result["legs"][0]["ended"] == "failed"


def test_the_last_leg_is_the_last(world: World) -> None:
    job = document("codex", *STEPS, legs=2)
    world.first(job)
    done = world.next(job, "second")
    assert done.response["outcome"] == "timed_out"
    assert (
        done.response["reason"]
        == "stopped, and what there was saved, at the end of leg 2, the last it may take"
    )
    assert len(world.lambda_.events) == 1
    assert world.versions() == []
    assert world.text("artifacts/made.txt") == "of the first leg\n"


def test_a_leg_that_does_not_start_ends_the_run_with_everything_saved(world: World) -> None:
    world.lambda_.status = 403
    done = world.first(document("claude-code", *STEPS))
    assert done.response["outcome"] == "timed_out"
    assert "no further leg follows: An error occurred (403)" in done.response["reason"]
    assert world.text("artifacts/made.txt") == "of the first leg\n"
    assert world.versions() == []
    # Should the event come all the same, nobody begins it any more.
    assert "legs/2/leg.json" in world.names()


def test_a_leg_that_neither_starts_nor_can_be_claimed_ends_the_run(world: World) -> None:
    """The claim only keeps an event that was accepted all the same from doing anything."""
    world.lambda_.status = 403
    with world.behind(refusing("legs/2/leg.json")) as troubled:
        done = troubled.first(document("claude-code", *STEPS))
    assert done.response["outcome"] == "timed_out"
    assert "no further leg follows: An error occurred (403)" in done.response["reason"]
    assert world.text("artifacts/made.txt") == "of the first leg\n"
    assert world.versions() == []


@pytest.mark.parametrize("name", ["checkpoint/2/record.json", "legs/1/leg.json"])
def test_a_record_that_cannot_be_stored_ends_the_run_with_everything_saved(world: World, name: str) -> None:
    with world.behind(refusing(name)) as troubled:
        done = troubled.first(document("claude-code", *STEPS))
    assert done.response["outcome"] == "timed_out"
    assert "no further leg follows: cannot write" in done.response["reason"]
    assert world.lambda_.events == []
    assert world.text("artifacts/made.txt") == "of the first leg\n"
    assert world.versions() == []


def test_a_checkpoint_that_cannot_be_removed_in_time_costs_no_result(world: World) -> None:
    tries, go_on = [], threading.Event()

    def held(request: Request, following: Next) -> Response:
        if request.method == "POST" and "delete" in request.target:
            tries.append(request)
            go_on.wait(120)
        return following(request)

    world.lambda_.status = 403
    with world.behind(held) as troubled:
        child = troubled.spawn(document("claude-code", *STEPS), "first")
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps({"version": 1, "runId": RUN_ID}))
        child.stdin.close()
        while "run.ended" not in (line := child.stdout.readline()):
            assert line
        ended_after = len(tries)
        go_on.set()
        child.kill()
        child.wait()
    assert 1 <= ended_after < 5  # which are all that S3's client makes
    assert any(
        "a checkpoint could not be removed: no time was left" in each for each in world.result["notes"]
    )


def test_killed_in_the_middle_of_a_leg(world: World) -> None:
    """As Lambda kills a sandbox: the run has no result, and its checkpoint stays for nobody to see."""
    job = document("claude-code", *STEPS)
    world.first(job)
    child = world.spawn(job)
    assert child.stdin
    assert child.stdout
    child.stdin.write(json.dumps(world.event))
    child.stdin.close()
    for line in child.stdout:
        if "toolResult" in line:
            child.kill()
    child.wait()
    assert "legs/2/leg.json" in world.names()
    assert "result.json" not in world.names()
    again = world.next(job)  # Lambda tries an event again whose sandbox died
    assert again.response["outcome"] == "rejected"
    assert again.response["reason"] == "leg 2 of this run was begun already"


def test_cancelled_while_the_next_leg_is_prepared(world: World) -> None:
    def cancelling(request: Request, following: Next) -> Response:
        if "/checkpoint/2/" in request.target:
            world.cancel()
        return following(request)

    with world.behind(cancelling) as cancelled:
        done = cancelled.first(document("claude-code", *STEPS))
    assert (done.response["outcome"], done.response["reason"]) == ("cancelled", ASKED)
    assert world.lambda_.events == []
    assert world.text("artifacts/made.txt") == "of the first leg\n"
    assert world.versions() == []


def test_a_run_cancelled_between_two_legs_keeps_what_it_made(world: World) -> None:
    """The checkpoint is the only place where it still is."""
    job = document("claude-code", *STEPS)
    world.first(job)
    world.cancel()
    done = world.next(job)
    assert done.response["outcome"] == "cancelled"
    assert done.response["reason"] == "cancelled before leg 2 began"
    assert world.text("artifacts/made.txt") == "of the first leg\n"
    assert world.versions() == []
    assert world.result["resumable"]
    first, second = world.result["legs"]
    assert (second["costUsd"], second["turns"]) == (0.0, 0)
    assert (world.result["costUsd"], world.result["turns"]) == (first["costUsd"], first["turns"])
    assert "agent.text" not in done.stdout


def test_a_leg_that_cannot_mask_gathers_nothing_and_says_so(world: World) -> None:
    """Without the secrets' values nothing of the workspace can leave."""
    job = document("claude-code", *STEPS)
    world.first(job)
    done = world.bench.finish(world.spawn(job, secret=""), world.event)
    assert done.response["outcome"] == "failed"
    assert done.response["reason"] == "no value was given for: ANTHROPIC_API_KEY"
    lost = "the files that the legs before made are lost with their checkpoint: this leg cannot mask them"
    assert lost in world.result["notes"]
    assert world.versions() == []


def test_a_job_that_was_changed_goes_on_as_it_began(world: World) -> None:
    job = document("claude-code", *STEPS[:3], {"say": "done"})
    world.first(job)
    changed = document("claude-code", {"say": "changed"}, timeout=1800)
    assert world.next(changed).response["outcome"] == "succeeded"
    assert world.result["output"] == "done"


def test_turns_are_counted_over_all_legs(world: World) -> None:
    job = document("claude-code", *STEPS[:3], *[{"bash": "true"}] * 5, maxTurns=4)
    world.first(job)
    done = world.next(job)
    assert done.response["outcome"] == "budget_exceeded"
    assert done.response["reason"] == "the limit of 4 turns was reached"


def test_what_is_too_large_for_a_checkpoint_ends_the_run(world: World) -> None:
    large = {"bash": "truncate -s 2G sparse; echo one"}
    done = world.first(document("claude-code", large, wait("first"), {"say": "never"}))
    assert done.response["outcome"] == "timed_out"
    assert "no further leg follows: the workspace is too large" in done.response["reason"]
    assert world.versions() == []


def test_of_a_checkpoint_that_cannot_be_stored_nothing_stays(world: World) -> None:
    """Its parts are not masked."""
    large = {"bash": "head -c 20M /dev/urandom > large; echo one"}
    with world.behind(refusing("checkpoint/2/000004.tar")) as troubled:
        done = troubled.first(document("claude-code", large, wait("first"), {"say": "never"}))
    assert "no further leg follows: cannot write" in done.response["reason"]
    assert world.versions() == []


def test_a_limit_of_tokens_holds_over_all_legs(world: World) -> None:
    """Each leg takes more than a quarter of it, and none takes all."""
    job = document("claude-code", *STEPS[:3], *[{"bash": "true"}] * 3, {"say": "never"}, maxTokens=150_000)
    world.first(job)
    done = world.next(job)
    assert done.response["outcome"] == "budget_exceeded"
    assert "of 150,000" in done.response["reason"]
    assert all(sum(leg["usage"].values()) < 150_000 for leg in world.result["legs"])
