"""IAM's own decision, for tests: a simulator in a child process, and AWS's table of actions.

Which action exists, on what kind of resource, with which context keys: from the service authorization
reference as published with the simulator (iam-data), not from lambdactl.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support import npm

HERE = Path(__file__).parent
PINS = ("package.json", "package-lock.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One thing to be allowed. `context`: what AWS says about the request, by IAM's keys."""

    action: str
    resource: str = "*"
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A principal: the policies it has, and its boundary ({} for none)."""

    arn: str
    policies: tuple[Mapping[str, Any], ...]
    boundary: Mapping[str, Any]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


class Simulator:
    """May a caller do this? Answers are remembered: the same question is asked thousands of times."""

    def __init__(self, child: subprocess.Popen[str], packages: Path) -> None:
        self.table = Table(packages / "node_modules" / "@cloud-copilot" / "iam-data" / "data")
        self._child = child
        self._lock = threading.Lock()
        self._known: dict[str, bool] = {}

    def allows(self, caller: Caller, ask: Ask) -> bool:
        """AssertionError for a policy, an action or a context key that IAM would not know."""
        question = {
            "principal": caller.arn,
            "account": caller.account,
            "policies": caller.policies,
            "boundary": caller.boundary or None,
            "trust": _trust(ask.action, caller.account),
            "action": ask.action,
            "resource": ask.resource,
            "context": {"aws:PrincipalArn": caller.arn, **dict(ask.context)},
        }
        bearing = {"policies": [_on(ask.action, each) for each in caller.policies]}
        known = json.dumps({**question, **bearing})
        with self._lock:
            if known not in self._known:
                answer = self._ask(json.dumps(question))
                assert "allowed" in answer, f"{answer.get('error')}: {question}"
                self._known[known] = answer["allowed"]
            return self._known[known]

    def findings(self, kind: str, policy: Mapping[str, Any]) -> list[Any]:
        """What its linter says of an "identity", "resource" or "trust" policy."""
        with self._lock:
            found: list[Any] = self._ask(json.dumps({"lint": kind, "policy": policy}))["findings"]
        return found

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return dict(json.loads(self._child.stdout.readline()))


class Table:
    """AWS's service authorization reference."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = cache(lambda what, service: json.loads((folder / what / f"{service}.json").read_text()))

    def action(self, name: str) -> Mapping[str, Any]:
        """What the reference says of an action; KeyError for one that there is not."""
        service, _, bare = name.partition(":")
        found: Mapping[str, Any] = self._read("actions", service)[bare.lower()]
        return found

    def arns(self, name: str) -> list[str]:
        """The forms of ARNs that an action takes, with ${Names} to fill; none: it takes `*`."""
        types = self._read("resourceTypes", name.partition(":")[0])
        return [types[each["name"].lower()]["arn"] for each in self.action(name)["resourceTypes"]]


def _on(action: str, policy: Mapping[str, Any]) -> list[Any]:
    """What of a policy bears on an action: no statement that lists actions by name, and not this one."""
    asked = action.lower()
    return [
        {**each, "Action": asked} if asked in listed else each
        for each in policy["Statement"]
        if asked in (listed := _named(each)) or not listed
    ]


def _named(statement: Mapping[str, Any]) -> frozenset[str]:
    """The actions that a statement lists; none where it lists patterns, or what it is not about."""
    listed = statement.get("Action", "*")
    names = frozenset(name.lower() for name in ([listed] if isinstance(listed, str) else listed))
    return frozenset() if any("*" in name or "?" in name for name in names) else names


def _trust(action: str, account: str) -> dict[str, Any] | None:
    """The policies of keys and of roles to assume: that of KMS's own default key policy, which leaves
    it to the account's policies. Without one nobody may, and nothing would be proved."""
    if not action.startswith(("kms:", "sts:AssumeRole")):
        return None
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": f"{action.partition(':')[0]}:*" if action.startswith("kms:") else action,
        **({"Resource": "*"} if action.startswith("kms:") else {}),
    }
    return {"Version": "2012-10-17", "Statement": statement}


@contextmanager
def simulator_process() -> Iterator[Simulator]:
    pins = "".join((HERE / name).read_text() for name in PINS)
    packages = npm.installed(pins, _install)
    argv = [npm.tool("node"), str(HERE / "evaluate.mjs"), str(packages)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield Simulator(child, packages)
        finally:
            child.terminate()


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with simulator_process() as started:
        yield started


def _install(whole: Path) -> None:
    for name in PINS:
        shutil.copy(HERE / name, whole)
    npm.run(npm.tool("npm"), "ci", *npm.QUIET, "--prefix", str(whole))
