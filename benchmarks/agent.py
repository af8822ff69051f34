"""What the supervisor is to reach (docs/performance.md), one function a row. Prints; asserts nothing.

Each row runs in a process of its own, so that its memory is its own; the best of a few repetitions counts,
since the machine does other things too. "by CPU" is the same by the process's own CPU time: what the clock
would say if the machine did nothing else, and other ends were infinitely fast.

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import processes
from agent.bucket import Bucket
from agent.child import Command, Stop
from agent.clis import Assignment
from agent.clis.claude_code import ClaudeCode
from agent.definition import Agent, Definition
from agent.deliver import Delivery
from agent.harvest import Item
from agent.layout import Layout
from agent.left import Left
from agent.listener import Listener
from agent.progress import Progress
from agent.redact import Masked, Redactor
from agent.running import Outside
from agent.supervise import Limits, supervise
from benchmarks import overhead

MB = 1_000_000
TIMES = 3
WORDS = (
    *("the", "of", "and", "error", "file", "test", "function", "return", "import", "request", "response"),
    *(
        "src/main.py",
        "agent",
        "tool",
        "result",
        "npm",
        "build",
        "https://example.com/api/v1",
        "status",
        "200",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    value: float
    by_cpu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    measure: Callable[[], Measured]
    unit: str
    goal: str


def main(words: Sequence[str] = ()) -> None:
    shape = "{:<40} {:>8} {:>7} {:<5} {:>9} {:>8}"
    print(shape.format("what", "measured", "by CPU", "", "to reach", "peak MB"))
    for row in ROWS:
        if not words or any(word in row.name for word in words):
            value, by_cpu, memory = _apart(row)
            cpu = "" if by_cpu is None else f"{by_cpu:,.0f}"
            print(shape.format(row.name, f"{value:,.0f}", cpu, row.unit, row.goal, memory), flush=True)


def _apart(row: Row) -> tuple[float, float | None, int]:
    """What a row measured, and what its process took at most, in MB."""
    argv = [sys.executable, "-c", f"from benchmarks import agent; agent.one({row.name!r})"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    value, by_cpu, memory = json.loads(done.stdout.splitlines()[-1])
    return value, by_cpu, memory


def one(name: str) -> None:
    (row,) = (row for row in ROWS if row.name == name)
    found = row.measure()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps([found.value, found.by_cpu, memory]))


# -- rows ------------------------------------------------------------------------------------------


def spooled() -> Measured:
    """Events as Claude Code writes them, spooled and looked at. Compared: nothing may be lost."""
    return _spooled(events)


def spooled_long() -> Measured:
    """Lines over 1 MB, as of screenshots: spooled, and not looked at."""
    return _spooled(screenshots)


def masked() -> Measured:
    return _masked(events)


def masked_long() -> Measured:
    return _masked(screenshots)


def uploaded() -> Measured:
    """Twenty streams of 5 MB, masked and uploaded to a server that takes all."""
    return _uploaded(20, 5 * MB)


def uploaded_large() -> Measured:
    """One artifact of 100 MB, masked and uploaded in parts."""
    return _uploaded(1, 100 * MB)


def cold() -> Measured:
    """From the handler's entry to the CLI's exec: CPU of a sandbox that is new."""
    return Measured(value=overhead.cold())


def warm() -> Measured:
    return Measured(value=overhead.warm())


def end() -> Measured:
    """From the CLI's exit to the stored result, by the clock."""
    return Measured(value=overhead.end())


def held() -> Measured:
    return Measured(value=overhead.memory("true"))


def held_output() -> Measured:
    return Measured(value=overhead.memory("head -c 50000000 /dev/zero | tr '\\0' x | fold -w 200"))


def held_line() -> Measured:
    return Measured(value=overhead.memory("head -c 20000000 /dev/zero | tr '\\0' x"))


def held_files() -> Measured:
    return Measured(
        value=overhead.memory("for n in $(seq 20); do head -c 8000000 /dev/urandom > $n.bin; done")
    )


ROWS = (
    Row(name="events spooled and looked at", measure=spooled, unit="MB/s", goal="50 MB/s"),
    Row(name="lines over 1 MB spooled", measure=spooled_long, unit="MB/s", goal="50 MB/s"),
    Row(name="events masked, ten secrets", measure=masked, unit="MB/s", goal="20 MB/s"),
    Row(name="lines over 1 MB masked, ten secrets", measure=masked_long, unit="MB/s", goal="20 MB/s"),
    Row(name="20 files of 5 MB masked and uploaded", measure=uploaded, unit="MB/s", goal="20 MB/s"),
    Row(name="one file of 100 MB masked and uploaded", measure=uploaded_large, unit="MB/s", goal="20 MB/s"),
    Row(name="entry to exec, cold: CPU", measure=cold, unit="ms", goal="600 ms"),
    Row(name="entry to exec, warm: CPU", measure=warm, unit="ms", goal="150 ms"),
    Row(name="exit to the stored result", measure=end, unit="ms", goal="1,000 ms"),
    Row(name="memory held, small run", measure=held, unit="MB", goal="80 MB"),
    Row(name="memory held, 50 MB of output", measure=held_output, unit="MB", goal="80 MB"),
    Row(name="memory held, a line of 20 MB", measure=held_line, unit="MB", goal="80 MB"),
    Row(name="memory held, 20 files of 8 MB", measure=held_files, unit="MB", goal="80 MB"),
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


def _masked(lines: Callable[[int], Iterator[bytes]]) -> Measured:
    """As a file is read and masked."""
    with tempfile.TemporaryFile() as file:
        file.writelines(lines(32 * MB))
        size, redactor = file.tell(), Redactor(secrets())

        def read() -> None:
            file.seek(0)
            masked = Masked(redactor, file)
            while masked.read(1 << 20):
                pass

        return _rate(size, read)


def _spooled(lines: Callable[[int], Iterator[bytes]]) -> Measured:
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
        Progress(write=lambda line: None, now=Outside().now, redactor=redactor),
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
    ends = time.monotonic() + 600
    assert supervise(command, Limits(until=lambda: ends), listener.on_line).exit_code == 0


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


def _uploaded(count: int, size: int) -> Measured:
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
            assert len(delivery.all(items, left, lambda: 600)) == count, left.notes()

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


def _rate(size: int, work: Callable[[], object]) -> Measured:
    """MB a second, at best."""
    wall = cpu = float("inf")
    for _ in range(TIMES):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        wall = min(wall, time.perf_counter() - began)
        cpu = min(cpu, time.process_time() - began_cpu)
    return Measured(value=size / MB / wall, by_cpu=size / MB / cpu)


if __name__ == "__main__":
    main(sys.argv[1:])
