"""A process that has imported everything and forks one child for each apply: killing costs no start-up.

    python -m tests.convergence.zygote URL

A line on its standard input is a task: {"world": "new", "prune": true}. It answers with lines: the child's
pid; what the child says of its applies, if it lives; how it ended. No thread runs here: forking is safe.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from lambdactl.aws import Aws, Endpoint
from lambdactl.deployment import Deployments
from lambdactl.manifest.job import Schedule
from lambdactl.scope import Scope
from tests.convergence.driver import until_quiet, wanted
from tests.support.cloud import ACCOUNT, REGION, job

SERVICES = ("ecr", "iam", "lambda", "logs", "s3", "scheduler", "sts")
TEN = [f"job-{number}" for number in range(10)]
SCHEDULED = (TEN[0], TEN[-1])  # the one changes its schedule, the other loses it, or goes with it


def world(name: str) -> Deployments:
    """Ten jobs as they are at first, as they are changed in all that counts, and but one of them."""
    if name == "changed":
        schedules = {TEN[0]: Schedule(expression="rate(2 hours)")}
        jobs = [job(e, timeout=300, concurrency=6, tags={"v": "2"}, schedule=schedules.get(e)) for e in TEN]
        return wanted(jobs, image=lambda _: "b" * 32)
    names = TEN[:1] if name == "one" else TEN
    schedules = dict.fromkeys(SCHEDULED, Schedule(expression="rate(1 hour)"))
    return wanted([job(e, concurrency=3, tags={"v": "1"}, schedule=schedules.get(e)) for e in names])


class Quick:
    """Waits hardly at all: the time of the strict cloud passes with each call, not with sleep."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        time.sleep(0.001)
        self._skipped += seconds / 4  # threads that sleep at once add up


def warm(url: str) -> Aws:
    """With clients that are made and have not been used."""
    quick = Quick()
    endpoint = Endpoint(url=url, region=REGION, access_key=ACCOUNT, secret_key="made-up")
    aws = Aws(endpoint=endpoint, sleep=quick.sleep, clock=quick.now)
    for service in SERVICES:
        aws.client(service)
    return aws


def carry(aws: Aws, task: Mapping[str, Any]) -> dict[str, Any]:
    scope = Scope(prune=True, allow_mass_prune=True, full=bool(task.get("full")))
    outcome = until_quiet(lambda: aws, world(task["world"]), scope, most=task["most"])
    return {"steps": [len(plan.steps) for plan in outcome.plans], "troubles": outcome.troubles}


def main(url: str) -> None:
    aws = warm(url)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                said = carry(aws, json.loads(line))
            except BaseException:
                said = {"steps": [], "troubles": [traceback.format_exc()]}
            os.write(1, json.dumps(said).encode() + b"\n")
            os._exit(0)
        os.write(1, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(1, json.dumps({"ended": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
