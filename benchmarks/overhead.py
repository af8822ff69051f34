"""What the supervisor itself costs, beside the numbers to reach. Prints; asserts nothing.

Whole sandboxes (benchmarks.sandbox) with S3 and SSM by moto on this machine. Each row is a function.

python -m benchmarks.overhead
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from benchmarks.compiled import compiled
from tests.agent.bench import ROOT, Bench, canonical, definition
from tests.support.cloud import moto

ROW = "{:<66} {:>12} {:>12}"
TIMES = 5  # the one that the machine disturbed least counts
MARK = 'echo "$(date +%s.%N) $(cat /proc/$PPID/schedstat)" >> "$CHILD"'


@dataclass(frozen=True, kw_only=True)
class Row:
    what: str
    measured: str
    goal: str

    def __str__(self) -> str:
        return ROW.format(self.what, self.measured, self.goal)


@dataclass(frozen=True, kw_only=True)
class Place:
    """An emulated account with a bucket, and folders."""

    url: str
    bucket: str
    folder: Path

    def invoke(self, name: str, script: str = "", times: int = 1, **changes: Any) -> list[dict[str, Any]]:
        """A new sandbox, and so many invocations in it; what each took."""
        bench = Bench(root=self.folder / name)
        bench.root.mkdir()
        bench.prepare()
        command = ["/bin/sh", "-c", f"{MARK}\n{script}\n{MARK}"]
        agent = {"command": command, "env": {"CHILD": str(bench.root / "child")}}
        document = definition(agent, secrets={"TOKEN": "/benchmark/token"}, **changes)
        key = bench.store(document).name
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=canonical(document))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.sandbox", str(times), str(bench.root)],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "LAMBDACTL_HOME": str(bench.home),
                "LAMBDACTL_WORK": str(bench.work),
                "LAMBDACTL_BUCKET": self.bucket,
                "LAMBDACTL_DEFINITION": key,
                "AWS_ENDPOINT_URL": self.url,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "made-up",
                "AWS_SECRET_ACCESS_KEY": "made-up-secret",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = [json.loads(line) for line in done.stderr.splitlines()]
        if any(each["outcome"] != "succeeded" for each in found):
            raise SystemExit(f"{name} did not succeed: {found}")
        return found

    def client(self, service: str) -> Any:
        return boto3.client(
            service, "us-east-1", endpoint_url=self.url,
            aws_access_key_id="made-up", aws_secret_access_key="made-up",
        )  # fmt: skip


def overhead(place: Place) -> Iterator[Row]:
    """From the handler's entry to the CLI's exec. Waiting for SSM and S3 takes no CPU."""
    cold = [place.invoke(f"cold-{number}")[0] for number in range(TIMES)]
    warm = place.invoke("warm", times=TIMES + 1)[1:]
    for what, found, goal in (("cold", cold, 600), ("warm", warm, 150)):
        least = min(each["cpu"] for each in found)
        yield Row(what=f"entry to exec, {what}: CPU", measured=f"{least * 1000:.0f} ms", goal=f"< {goal} ms")


def end(place: Place) -> Iterator[Row]:
    """A typical run: some megabytes of output, some files."""
    script = "head -c 3000000 /dev/urandom | base64; for n in 1 2 3 4 5; do date > $n.txt; done"
    found = place.invoke("end", script, times=TIMES, artifacts=["*.txt"])
    least = min(each["end"] for each in found)
    yield Row(what="the CLI's exit to the stored result: wall", measured=f"{least:.2f} s", goal="< 1 s")


def memory(place: Place) -> Iterator[Row]:
    cases = {
        "a small run": "true",
        "50 MB of output": "head -c 50000000 /dev/zero | tr '\\0' 'x' | fold -w 200",
        "a line of 20 MB": "head -c 20000000 /dev/zero | tr '\\0' 'x'",
        "20 files of 8 MB": "for n in $(seq 20); do head -c 8000000 /dev/urandom > $n.bin; done",
    }
    for number, (case, script) in enumerate(cases.items()):
        (found,) = place.invoke(f"memory-{number}", script, artifacts=["*.bin"])
        measured = f"{found['memory'] >> 20} MB"
        yield Row(what=f"memory of the supervisor, {case}", measured=measured, goal="< 80 MB")


ROWS: tuple[Callable[[Place], Iterator[Row]], ...] = (overhead, end, memory)


@contextmanager
def somewhere() -> Iterator[Place]:
    with moto() as url, tempfile.TemporaryDirectory() as folder:
        place = Place(url=url, bucket="benchmark", folder=Path(folder))
        place.client("s3").create_bucket(Bucket=place.bucket)
        place.client("ssm").put_parameter(Name="/benchmark/token", Value="made-up-token", Type="SecureString")
        yield place


def main() -> None:
    compiled()
    print(ROW.format("what", "measured", "to reach"))
    with somewhere() as place:
        for rows in ROWS:
            for row in rows(place):
                print(row, flush=True)


if __name__ == "__main__":
    main()
