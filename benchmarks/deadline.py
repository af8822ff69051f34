"""A stop at the deadline: is all of it stored, and how much time is left? `python -m benchmarks.deadline`.

A real run writes 50 MB of logs and is stopped; S3 is moto behind a front that takes 20 MB a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lambdactl.sandbox.front import Front, Layer, Next, Request, Response
from tests.agent.bench import ROOT, Bench, canonical, definition
from tests.agent.test_store import client, in_the_cloud
from tests.support.cloud import moto

ROW = "{:<76} {:>16} {:>16}"
# The handler's own door, and what was left of the time when it returned.
INVOKE = """\
import json, os, sys, time
from agent.run import start
from agent.running import Outside
seconds = float(sys.argv[1])
began = time.monotonic()
answer = start({"version": 1}, "request-1", seconds, os.environ, Outside(write=lambda line: None))
print(json.dumps({"left": seconds - (time.monotonic() - began), "outcome": answer["outcome"]}))
"""
# 50 MB of events, as an agent's stream has them, in so many seconds; then it waits to be stopped.
WRITE = """\
import sys, time
line = '{"type":"assistant","message":{"content":[{"type":"text","text":"%s"}]}}\\n' % ("some words " * 90)
seconds, count = float(sys.argv[1]), 50_000_000 // len(line)
began = time.monotonic()
for number in range(count):
    sys.stderr.write(line)
    if number % 500 == 0:
        time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))
time.sleep(600)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    what: str
    found: str
    goal: str

    def __str__(self) -> str:
        return ROW.format(self.what, self.found, self.goal)


def bandwidth(rate: float, round_trip: float = 0.03) -> Layer:
    """All uploads together take as long as `rate` bytes a second make them."""
    turn = threading.Lock()

    def layer(request: Request, following: Next) -> Response:
        with turn:
            time.sleep(len(request.body) / rate)
        time.sleep(round_trip)
        return following(request)

    return layer


def stopped_at_the_deadline(writing: float, seconds: float) -> tuple[float, int]:
    """Seconds left when the invocation returned, and the bytes of its log that are stored."""
    with tempfile.TemporaryDirectory() as folder, moto() as url, Front(url, [bandwidth(20e6)]) as front:
        bench = Bench(root=Path(folder))
        bench.prepare()
        values = {f"SECRET_{number}": os.urandom(20).hex() for number in range(10)}
        document = definition(
            {"command": [sys.executable, "-c", WRITE, str(writing)]},
            secrets={name: f"/demo/{name}" for name in values},
        )
        s3, key = client("s3", url), bench.store(document).name
        s3.create_bucket(Bucket="bench")
        s3.put_object(Bucket="bench", Key=key, Body=canonical(document))
        environment = {
            "PATH": os.environ["PATH"],
            "LAMBDACTL_HOME": str(bench.home),
            "LAMBDACTL_WORK": str(bench.work),
            "LAMBDACTL_SECRETS": json.dumps(values),
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up-secret",
            **in_the_cloud(front.url, "bench", key),
        }
        done = subprocess.run(
            [sys.executable, "-c", INVOKE, str(seconds)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        answer = json.loads(done.stdout)
        if answer["outcome"] != "timed_out":
            raise SystemExit(f"the run is {answer['outcome']}")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bench", Prefix="triage/")
        sizes = [each["Size"] for page in pages for each in page["Contents"] if "/stderr/" in each["Key"]]
        return answer["left"], sum(sizes)


def deadline() -> Iterator[Measured]:
    for what, writing in (("as it comes", 15.0), ("all at once", 0.0)):
        left, stored = stopped_at_the_deadline(writing, seconds=25)
        name = f"a stop at the deadline, 50 MB of logs {what}, 20 MB/s"
        yield Measured(what=f"{name}: unused", found=f"{left:.2f} s", goal="0 to 2 s")
        yield Measured(what=f"{name}: stored", found=f"{stored / 1e6:.1f} MB", goal="50 MB")


def main() -> None:
    print(ROW.format("what", "measured", "goal"))
    for row in deadline():
        print(row, flush=True)


if __name__ == "__main__":
    main()
