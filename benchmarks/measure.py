"""A whole process, measured: wall, CPU, memory, and the calls that it makes to the emulated AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdactl.sandbox.layers import Record

LAUNCH = Path(__file__).with_name("launch.py")
ROW = "{:>5}  {:>6}  {:<28} {:<9}  {:>5} {:>6} {:>4}  {:>7} {:>6} {:>4}"
HEAD = ROW.format("jobs", "a call", "what", "by", "calls", "writes", "peak", "wall s", "CPU s", "MB")
_READS = ("Get", "List", "Describe", "Head", "BatchGet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    wall: float  # seconds; the rest of the machine is in it
    cpu: float  # seconds, user and system
    memory: int  # MB at the peak
    calls: Counter[str]  # by "service.Operation"
    peak: int  # calls under way at once

    @property
    def writes(self) -> int:
        return sum(n for call, n in self.calls.items() if not call.partition(".")[2].startswith(_READS))

    @property
    def by_operation(self) -> str:
        return ", ".join(f"{call} {n}" for call, n in sorted(self.calls.items()))

    def row(self, jobs: int, latency: float, what: str, by: str) -> str:
        shown = (f"{latency * 1000:.0f} ms", what, by, self.calls.total(), self.writes, self.peak)
        return ROW.format(jobs, *shown, f"{self.wall:.2f}", f"{self.cpu:.2f}", self.memory)


def measured(argv: Sequence[str], folder: Path, environment: Mapping[str, str], record: Record) -> Measured:
    """Run it to its end, which must be a good one."""
    record.reset()
    launcher = [sys.executable, "-I", "-S", str(LAUNCH), *argv]
    done = subprocess.run(
        launcher,
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    *output, last = done.stdout.decode().splitlines()
    cost = json.loads(last)
    if cost.pop("code"):
        raise SystemExit("\n".join([f"{' '.join(argv)} failed:", *output[-20:]]))
    return Measured(**cost, calls=Counter(record.calls), peak=record.peak)


def least(several: Sequence[Measured]) -> Measured:
    """Of repeated runs the one that the machine disturbed least."""
    return min(several, key=lambda each: each.wall)
