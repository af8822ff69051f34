"""What plans and applies cost, by number of jobs and latency of a call. Prints; asserts nothing.

python -m benchmarks.plan [COUNT ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from lambdactl.deployment import Deployments
from lambdactl.reconcile import carry_out, plan
from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.front import Front
from lambdactl.sandbox.layers import Record, latency
from tests.support.cloud import SITE, Cloud, builder, deployments, job, ministack

ROW = "{:>6} {:>8} {:<18} {:>7} {:>6} {:>8} {:>8}"


def main() -> None:
    counts = [int(each) for each in sys.argv[1:]] or [10, 100]
    print(ROW.format("jobs", "latency", "what", "calls", "peak", "wall s", "CPU s"))
    with ministack() as upstream:
        for count in counts:
            for delay in (0.0, 0.05):
                _rows(upstream, count, delay)


def _rows(upstream: str, count: int, delay: float) -> None:
    """One project of `count` jobs: created, planned quietly, changed in one place."""
    environment = f"n{count}l{int(delay * 1000)}"
    site = replace(SITE, environment=environment, bucket=f"bench-{environment}")
    record = Record()
    layers = [record, Fill(), *([latency(delay)] if delay else [])]
    with Front(upstream, layers) as front:
        cloud = Cloud(name="ministack", url=front.url, record=record)
        names = [f"job-{number:04}" for number in range(count)]
        before = deployments(*(job(name, secrets={}) for name in names), site=site)
        changed = [job(names[0], secrets={}, memory=4096), *(job(name, secrets={}) for name in names[1:])]
        after = deployments(*changed, site=site)
        for what, work in (
            ("create", lambda: _apply(cloud, before)),
            ("plan, quiet", lambda: plan(cloud.aws(), before)),
            ("apply, one change", lambda: _apply(cloud, after)),
        ):
            _row(count, delay, what, record, work)


def _apply(cloud: Cloud, wanted: Deployments) -> None:
    aws = cloud.aws()
    for _ in carry_out(aws, wanted, plan(aws, wanted), builder(cloud, wanted.site)):
        pass


def _row(count: int, delay: float, what: str, record: Record, work: Callable[[], object]) -> None:
    record.reset()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    latency_ = f"{delay * 1000:.0f} ms"
    print(ROW.format(count, latency_, what, record.total, record.peak, f"{wall:.2f}", f"{cpu:.2f}"))


if __name__ == "__main__":
    main()
