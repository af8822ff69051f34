"""What IAM would refuse of a job's role, told at the manifest's line. Only reads, asks AWS nothing.

Beside `manifest`, not in it: the policy is known to the kind `role` only, which manifests know nothing of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from lambdactl import manifest
from lambdactl.errors import Problem
from lambdactl.kinds.role import policy
from lambdactl.manifest.job import Job
from lambdactl.site import Site

# IAM: the inline policies of a role together, white space not counted (IAM and STS quotas).
POLICY_MAX = 10_240


def problems(jobs: Iterable[Job], site: Site) -> Iterator[Problem]:
    """Each job whose policy would be too long. What takes the space is a job's parameters."""
    for job in jobs:
        size = 0 if job.role else len("".join(json.dumps(policy(job, site)).split()))
        if size > POLICY_MAX:
            what = f"the policy of the job's role would have {size} characters; IAM allows {POLICY_MAX}"
            hint = "declare fewer secrets, or give their parameters shorter names: each stands in it twice"
            file, line, column = manifest.place(job.source, ("secrets",))
            yield Problem(file, line, column, what, hint)
