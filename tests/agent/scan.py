"""Who can be seen to hold a value: run as a job's own tool. `python scan.py WORK VALUE-BACKWARDS`.

Prints a JSON list: processes of the run with the value in their environment or arguments, by the NAME in
their environment or by their program, and files below WORK with it in them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(work: str, backwards: str) -> None:
    value, found = backwards[::-1].encode(), set()
    for each in Path("/proc").iterdir():
        try:
            environment, argv = (each / "environ").read_bytes(), (each / "cmdline").read_bytes()
        except OSError:
            continue
        if f"AGENT_RUN={work}".encode() not in environment:
            continue  # not of this run; its supervisor has all values
        names = [word[5:] for word in environment.split(b"\0") if word.startswith(b"NAME=")]
        if value in environment or value in argv:
            found.add((names or [b"agent"])[0].decode())
    for file in Path(work).rglob("*"):
        if file.is_file() and value in file.read_bytes():
            found.add(str(file))
    print(json.dumps(sorted(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
