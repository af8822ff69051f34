"""Makes a page of streams far larger than the memory it may have; prints how long the page is."""

from __future__ import annotations

import itertools
import json
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

from lambdactl.report import html
from tests.report.pages import folder

MIB = 1 << 20
ROOM = 256 * MIB  # of address space, over what Python and the imports take
STREAM = 500 * MIB
LINE = 100 * MIB
LOG = 100 * MIB


def event(n: int, command: str) -> bytes:
    use = {"type": "tool_use", "id": str(n), "name": "Bash", "input": {"command": command}}
    message = {"id": f"m{n}", "content": [use]}
    return json.dumps({"type": "assistant", "message": message}).encode() + b"\n"


def events() -> Iterator[bytes]:
    size = n = 0
    while size < STREAM:
        chunk = b"".join(event(n + each, "x" * 4_000) for each in range(200))
        n, size = n + 200, size + len(chunk)
        yield chunk
    yield from itertools.repeat(b"y" * MIB, LINE // MIB)
    yield b"\n" + event(n, "the last")


def chunks(name: str) -> Iterator[bytes]:
    log: Iterable[bytes] = itertools.repeat(b"z" * MIB, LOG // MIB)
    return events() if name.startswith("events/") else iter(log)


def main() -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    sizes = [("events/000001.jsonl", STREAM + LINE), ("stderr/000001.log", LOG), ("stdout/000001.log", LOG)]
    text = html.page(folder({}, files=sizes, chunks=chunks))
    for words in ("the last", "rows left out", "lines of the event stream are too long", "bytes left out"):
        assert words in text, words
    print(len(text))


if __name__ == "__main__":
    main()
