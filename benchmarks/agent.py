"""What the supervisor is to reach (docs/performance.md), measured: one function a row. Prints; asserts nothing.

Each row runs in a process of its own, so that its memory is its own; the best of a few repetitions counts,
since the machine does other things too.

python -m benchmarks.agent [WORD ...]     only rows with one of the words in their names
"""

from __future__ import annotations

import base64
import json
import random
import resource
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import processes
from agent.child import Command, Stop
from agent.clis import Assignment
from agent.clis.claude_code import ClaudeCode
from agent.contract import Agent, Definition
from agent.deliver import Delivery
from agent.harvest import Item, Left
from agent.layout import Layout
from agent.listener import Listener
from agent.progress import Progress
from agent.redact import Redactor
from agent.running import _now
from agent.store import Bucket
from agent.supervise import Limits, supervise

MB = 1_000_000
TIMES = 3
WORDS = (
    "the of and error file test function return import request response src/main.py agent tool result npm build"
    " https://example.com/api/v1 status 200 content"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`memory`: that it is what the process had at its peak, beside what was measured."""

    name: str
    measure: Callable[[], float]
    unit: str
    goal: str


def main() -> None:
    words = sys.argv[1:]
    shape = "{:<56} {:>8} {:<5} {:>12} {:>8}"
    print(shape.format("what", "measured", "", "to reach", "peak MB"))
    for row in ROWS:
        if not words or any(word in row.name for word in words):
            value, memory = _apart(row)
            print(shape.format(row.name, f"{value:,.0f}", row.unit, row.goal, memory), flush=True)


def _apart(row: Row) -> tuple[float, int]:
    """A row's value, and what its process took at most, in MB."""
    argv = [sys.executable, "-c", f"from benchmarks import agent; agent.one({row.name!r})"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    value, memory = json.loads(done.stdout.splitlines()[-1])
    return value, memory


def one(name: str) -> None:
    (row,) = (row for row in ROWS if row.name == name)
    value = row.measure()
    print(json.dumps([value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024]))


# -- rows ------------------------------------------------------------------------------------------


def spooled() -> float:
    """Events as Claude Code writes them, spooled and looked at. Compared: nothing may be lost."""
    return _spooled(events)


def spooled_long() -> float:
    """Lines over 1 MB, as of screenshots: spooled, and not looked at."""
    return _spooled(screenshots)


def masked() -> float:
    """A stream masked, in the pieces in which it is read."""
    content = b"".join(events(8 * MB))
    redactor = Redactor(secrets())
    pieces = [content[at : at + (1 << 20)] for at in range(0, len(content), 1 << 20)]
    return _rate(len(content), lambda: sum(len(each) for each in redactor.chunks(pieces)))


def masked_long() -> float:
    """The same of lines over 1 MB."""
    content = b"".join(screenshots(8 * MB))
    redactor = Redactor(secrets())
    pieces = [content[at : at + (1 << 20)] for at in range(0, len(content), 1 << 20)]
    return _rate(len(content), lambda: sum(len(each) for each in redactor.chunks(pieces)))


def uploaded() -> float:
    """Twenty streams of 5 MB, masked and uploaded to a server that takes all."""
    return _uploaded(20, 5 * MB)


def uploaded_large() -> float:
    """One artifact of 100 MB, masked and uploaded in parts."""
    return _uploaded(1, 100 * MB)


ROWS = (
    Row(name="events spooled and looked at", measure=spooled, unit="MB/s", goal="50 MB/s"),
    Row(name="lines over 1 MB spooled", measure=spooled_long, unit="MB/s", goal="50 MB/s"),
    Row(name="events masked, ten secrets", measure=masked, unit="MB/s", goal="20 MB/s"),
    Row(name="lines over 1 MB masked, ten secrets", measure=masked_long, unit="MB/s", goal="20 MB/s"),
    Row(name="20 files of 5 MB masked and uploaded", measure=uploaded, unit="MB/s", goal="20 MB/s"),
    Row(name="one file of 100 MB masked and uploaded", measure=uploaded_large, unit="MB/s", goal="20 MB/s"),
)


# -- what they work on -----------------------------------------------------------------------------


def secrets() -> dict[str, str]:
    """Ten as they are in the world: tokens, a URL with a password, a JWT, a short password, a private key."""
    chance = random.Random(1)

    def token(length: int, before: str = "") -> str:
        return before + "".join(chance.choice(string.ascii_letters + string.digits) for _ in range(length))

    lines = "\n".join(base64.b64encode(chance.randbytes(48)).decode() for _ in range(26))
    return {
        "ANTHROPIC_API_KEY": token(95, "sk-ant-api03-"),
        "GITHUB_TOKEN": token(36, "ghp_"),
        "AWS_SECRET_ACCESS_KEY": token(40),
        "DATABASE_URL": f"postgres://user:{token(16)}@db.example.com:5432/main",
        "WEBHOOK": token(24, "https://hooks.example.com/services/T0/B0/"),
        "SESSION": token(32),
        "JWT": f"{token(300, 'eyJ')}.{token(86)}",
        "NPM_TOKEN": token(36, "npm_"),
        "PASSWORD": "Pa55w0rd!x",
        "SIGNING_KEY": f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n",
    }


def events(size: int) -> Iterator[bytes]:
    """Lines like those of a stream of events: mostly words, here and there base64."""
    chance = random.Random(2)
    while size > 0:
        text = " ".join(chance.choice(WORDS) for _ in range(chance.randint(20, 400))) + "\n\tdef x():\n"
        if chance.random() < 0.02:
            text = base64.b64encode(chance.randbytes(30_000)).decode()
        block = {"type": "text", "text": text}
        message = {"id": f"msg_{chance.getrandbits(128):032x}", "content": [block]}
        line = json.dumps({"type": "assistant", "message": message, "session_id": "0"}).encode() + b"\n"
        size -= len(line)
        yield line


def screenshots(size: int) -> Iterator[bytes]:
    chance = random.Random(3)
    while size > 0:
        image = base64.b64encode(chance.randbytes(3 * MB)).decode()
        content = [{"type": "tool_result", "content": [{"type": "image", "data": image}]}]
        line = json.dumps({"type": "user", "message": {"content": content}}).encode() + b"\n"
        size -= len(line)
        yield line


def _spooled(lines: Callable[[int], Iterator[bytes]]) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, out = folder / "source", folder / "stdout"
        with source.open("wb") as file:
            for _ in range(10):
                file.writelines(lines(20 * MB))
        rate = _rate(source.stat().st_size, lambda: _supervised(folder, source, out))
        subprocess.run(["cmp", str(source), str(out)], check=True)
        return rate


def _supervised(folder: Path, source: Path, out: Path) -> None:
    redactor = Redactor(secrets())
    listener = Listener(
        ClaudeCode(_assignment(folder)),
        Progress(write=lambda line: None, now=_now, redactor=redactor),
        lambda server: "",
    )
    command = Command(
        argv=("cat", str(source)),
        env={"PATH": "/usr/bin:/bin", processes.MARK: f"{folder}:run"},
        cwd=folder,
        stdout=out,
        stderr=folder / "stderr",
        stops=(Stop(signal=signal.SIGTERM, seconds=1),),
        mark=f"{folder}:run",
    )
    limits: Any = Limits(until=time.monotonic() + 600)
    assert supervise(command, limits, listener.on_line).exit_code == 0


def _assignment(folder: Path) -> Assignment:
    definition = Definition(
        project="demo",
        environment="main",
        job="b",
        image="",
        prefix="b/",
        timeout=60,
        agent=Agent(type="claude-code"),
    )
    return Assignment(
        run_id="",
        definition=definition,
        layout=Layout(folder / "run"),
        home=folder,
        env={},
        agent_env={},
        servers=(),
        model_key="",
        base_url="",
        seconds=60,
        root=False,
    )


def _uploaded(count: int, size: int) -> float:
    with tempfile.TemporaryDirectory() as name, sink() as url:
        folder = Path(name)
        file = folder / "stream.log"
        with file.open("wb") as writing:
            writing.writelines(events(size))
        store = Bucket("bucket", _client(url))
        store.open("b/", "run")
        items = [Item(name=f"{number}.log", file=file) for number in range(count)]
        delivery = Delivery(store=store, redactor=Redactor(secrets()))

        def deliver() -> None:
            left = Left()
            assert len(delivery.all(items, left, 600)) == count, left.notes()

        return _rate(count * file.stat().st_size, deliver)


def _client(url: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
        config=Config(max_pool_connections=16, proxies={}),
    )


@contextmanager
def sink() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _rate(size: int, work: Callable[[], object]) -> float:
    """MB a second, at best."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return size / MB / best


if __name__ == "__main__":
    main()
