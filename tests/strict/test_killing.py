"""A strike comes between the deed and the answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.strict.conftest import Behind
from tests.support.strict import KillAt

MAKE_ROLES = """
import sys, boto3
session = boto3.Session("123456789012", "made-up", region_name="us-east-1")
iam = session.client("iam", endpoint_url=sys.argv[1])
for n in range(5):
    iam.create_role(RoleName=f"r{n}", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')
    print(f"r{n}", flush=True)
"""


def test_a_process_is_killed_after_its_nth_call_was_done_and_before_it_knows(behind: Behind) -> None:
    children: list[subprocess.Popen[str]] = []
    kill_at = KillAt(3, lambda: os.kill(children[0].pid, signal.SIGKILL))
    bench, bare = behind(kill_at), behind()
    argv = [sys.executable, "-c", MAKE_ROLES, bench.url]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        children.append(child)
        said, _ = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert said.split() == ["r0", "r1"]
    made = {role["RoleName"] for role in bare.client("iam").list_roles()["Roles"]}
    assert made >= {"r0", "r1", "r2"}
    assert "r3" not in made
    assert kill_at.calls == 3
