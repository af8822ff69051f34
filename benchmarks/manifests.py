"""What 1,000 manifests cost before AWS is asked, beside parsing them. Prints; asserts nothing.

python -m benchmarks.manifests [COUNT]
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.project import write_project
from lambdactl.engine import Plan, make_plan
from lambdactl.project import Project
from lambdactl.wanted import wanted


def main() -> None:
    count = int(sys.argv[-1]) if len(sys.argv) > 1 else 1000
    gc.set_threshold(100_000)  # as the program does
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        write_project(root, count)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        parsed = _seconds(lambda: _parse_all(root, loader))
        loaded = _seconds(lambda: Project.open(root))
        planned = _seconds(lambda: _plan(root)) - loaded
    print(f"CPU for {count} manifests, without imports and AWS: {loaded + planned:.2f} s")
    print(f"  loaded and validated: {loaded:.2f} s (of that {parsed:.2f} s is PyYAML's {loader.__name__})")
    print(f"  planned, when nothing is to do: {planned:.2f} s")


def _plan(root: Path) -> Plan:
    project = Project.open(root)
    deployments = project.deployments(project.offline_site)
    made = make_plan(wanted(deployments), wanted(deployments))  # the second stands for what AWS answers
    assert not made.steps
    return made


def _parse_all(root: Path, loader: type) -> None:
    for file in (root / "jobs").iterdir():
        yaml.load(file.read_bytes(), Loader=loader)


def _seconds(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


if __name__ == "__main__":
    main()
