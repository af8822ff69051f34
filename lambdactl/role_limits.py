"""What IAM would refuse of a job's role, told at the manifest's line. Only reads, asks AWS nothing.

Beside `manifest`, not in it: the policy is known to the kind `role` only, which manifests know nothing of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from lambdactl import manifest
from lambdactl.errors import Problem
from lambdactl.kinds.role import compact, policy, trust
from lambdactl.manifest.job import Job
from lambdactl.policies import normal
from lambdactl.site import Site

# IAM: the inline policies of a role together, white space not counted, and its trust policy (IAM and STS
# quotas; the second can be raised for an account, which nobody needs who names a role for all).
POLICY_MAX = 10_240
TRUST_MAX = 2_048


def problems(jobs: Iterable[Job], site: Site) -> Iterator[Problem]:
    """Each job whose role IAM would refuse. What takes the space is a job's parameters and principals."""
    for job in jobs:
        if not job.role:
            yield from _policy(job, site)
            yield from _trust(job)


def _policy(job: Job, site: Site) -> Iterator[Problem]:
    size = len("".join(json.dumps(policy(job, site)).split()))
    if size > POLICY_MAX:
        what = f"the policy of the job's role would have {size} characters; IAM allows {POLICY_MAX}"
        hint = "declare fewer secrets, or give their parameters shorter names: each stands in it twice"
        yield _problem(job, ("secrets",), what, hint)


def _trust(job: Job) -> Iterator[Problem]:
    size = len(compact(normal(trust(job))))
    if size > TRUST_MAX:
        what = f"the trust policy of the job's role would have {size} characters; IAM allows {TRUST_MAX}"
        hint = "name fewer principals, such as one role that all of them may take"
        yield _problem(job, ("localDev", "principals"), what, hint)


def _problem(job: Job, path: tuple[str, ...], what: str, hint: str) -> Problem:
    file, line, column = manifest.place(job.source, path)
    return Problem(file, line, column, what, hint)
