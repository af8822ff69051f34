"""What the sandbox denies, as the result tells it: with and without Lambda's seccomp filter."""

from __future__ import annotations

import sys

from agent import probe
from tests.agent import lambdaish
from tests.agent.bench import Bench, definition


def test_where_nothing_is_denied(bench: Bench) -> None:
    assert probe.sandbox() == {"pdeathsig": "allowed"}
    assert bench.command("true").result["sandbox"] == {"pdeathsig": "allowed"}


def test_where_lambda_denies_it(bench: Bench) -> None:
    document = definition({"command": ["true"]})
    done = bench.run(document, prefix=(sys.executable, lambdaish.__file__))
    assert done.result["sandbox"] == {"pdeathsig": "denied"}
