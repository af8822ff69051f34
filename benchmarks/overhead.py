"""What the supervisor itself costs, for rows of benchmarks.agent: one function each. Prints nothing.

Whole sandboxes (benchmarks.sandbox), with S3 and SSM by moto on this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.agent.bench import ROOT, Bench, canonical, definition
from tests.support.cloud import moto

TIMES = 5  # the one that the machine disturbed least counts
MARK = 'echo "$(date +%s.%N) $(cat /proc/$PPID/schedstat)" >> "$CHILD"'


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


def cold() -> float:
    """Milliseconds of CPU from the handler's entry to the CLI's exec. Waiting for SSM and S3 takes none."""
    with somewhere() as place:
        return 1000 * min(place.invoke(f"cold-{number}")[0]["cpu"] for number in range(TIMES))


def warm() -> float:
    with somewhere() as place:
        return 1000 * min(each["cpu"] for each in place.invoke("warm", times=TIMES + 1)[1:])


def end() -> float:
    """Milliseconds from the CLI's exit to the stored result: a typical run, some megabytes and some files."""
    script = "head -c 3000000 /dev/urandom | base64; for n in 1 2 3 4 5; do date > $n.txt; done"
    with somewhere() as place:
        return 1000 * min(each["end"] for each in place.invoke("end", script, TIMES, artifacts=["*.txt"]))


def memory(script: str) -> float:
    """MB that the supervisor held at most."""
    with somewhere() as place:
        return float(place.invoke("memory", script, artifacts=["*.bin"])[0]["memory"] >> 20)


@contextmanager
def somewhere() -> Iterator[Place]:
    with moto() as url, tempfile.TemporaryDirectory() as folder:
        place = Place(url=url, bucket="benchmark", folder=Path(folder))
        place.client("s3").create_bucket(Bucket=place.bucket)
        place.client("ssm").put_parameter(Name="/benchmark/token", Value="made-up-token", Type="SecureString")
        yield place
