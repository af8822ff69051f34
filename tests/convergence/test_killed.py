"""SIGKILL at any call of an apply, and apply again: all is as it has to be, and nothing is left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from lambdactl.sandbox.front import Front, Layer, Next, Request, Response, chain
from lambdactl.sandbox.layers import latency
from tests.convergence.actual import actual, differences, expected, images, locked
from tests.convergence.driver import dead_holders
from tests.convergence.ledger import Ledger
from tests.convergence.zygote import TEN, world
from tests.support.cloud import Modified, put_replaces, reset, tagged_buckets
from tests.support.strict import KillAt, Options, VirtualClock, strict

NEVER = 10**9
# Time passes with each call, and only with it: enough for roles and functions to get ready.
STRICT = Options(call_seconds=1.0, per_second={})
# Each how manieth call is the last one; LAMBDACTL_KILL_EVERY=1 makes it every call everywhere.
EVERY = int(os.environ.get("LAMBDACTL_KILL_EVERY", "0"))


class Stage:
    """A layer that hands over to others, which can be exchanged: one address for many worlds."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []

    def __call__(self, request: Request, following: Next) -> Response:
        return chain(self.layers, following)(request)


@dataclass
class Theatre:
    """An emulator behind a stage, and the process that applies to it."""

    name: str
    upstream: str
    stage: Stage
    zygote: subprocess.Popen[str]
    ledger: Ledger = field(default_factory=Ledger)
    code: dict[str, str] = field(default_factory=dict)  # what each function runs
    victim: int = 0
    known: threading.Event = field(default_factory=threading.Event)
    kill_at: KillAt = field(default_factory=lambda: KillAt(NEVER, lambda: None))

    def open(self) -> None:
        """An empty account."""
        reset(self.name, self.upstream)
        clock, self.ledger, self.code = VirtualClock(), Ledger(), {}
        layers = [latency(STRICT.call_seconds, clock.sleep), *strict(clock.now, STRICT).layers]
        self.stage.layers = [
            self._killing,
            dead_holders,
            *layers,
            self.ledger,
            Modified(),
            tagged_buckets,
            put_replaces,
        ]

    def _killing(self, request: Request, following: Next) -> Response:
        return self.kill_at(request, following)

    def apply(self, name: str, *, kill: int = NEVER, most: int = 1, full: bool = False) -> dict[str, Any]:
        """Apply in a process of its own, killed at its call `kill`: {} when it was."""
        self.known.clear()
        self.kill_at = KillAt(kill, self._strike)
        assert self.zygote.stdin
        task = {"world": name, "most": most, "full": full}
        self.zygote.stdin.write(json.dumps(task) + "\n")
        self.zygote.stdin.flush()
        self.victim = int(self._line())
        self.known.set()
        said = json.loads(self._line())
        if "ended" not in said:
            assert json.loads(self._line()) == {"ended": 0}
            return dict(said)
        assert said == {"ended": -signal.SIGKILL}
        return {}

    def _strike(self) -> None:
        self.known.wait()
        os.kill(self.victim, signal.SIGKILL)

    def _line(self) -> str:
        assert self.zygote.stdout
        return self.zygote.stdout.readline()

    def check(self, name: str, gone: tuple[str, ...] = ()) -> None:
        found = actual(self.upstream)
        assert differences(found, expected(world(name).jobs, images(found)), gone) == []
        assert not locked(self.upstream)

    def killed_and_mended(self, name: str, kill: int) -> bool:
        """Whether call `kill` was made, and so the process killed, and all was mended by one apply."""
        self.ledger.reset()
        if self.apply(name, kill=kill):
            return False
        after = self.apply(name, most=2)
        assert after["troubles"] == []
        assert after["steps"][-1] == 0, "a further plan is not empty"
        assert self.ledger.made_twice() == []
        assert self.ledger.sent_again(self.code) == []
        return True

    def settle(self, name: str) -> None:
        self.ledger.reset()
        assert self.apply(name)["troubles"] == []
        assert self.ledger.sent_again(self.code) == []


@contextmanager
def theatre(name: str, upstream: str) -> Iterator[Theatre]:
    stage = Stage()
    with Front(upstream, [stage]) as front:
        argv = [sys.executable, "-m", "tests.convergence.zygote", front.url]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as zygote:
            yield Theatre(name, upstream, stage, zygote)
            assert zygote.stdin
            zygote.stdin.close()


@pytest.fixture(params=["moto", "ministack"], scope="module")
def there(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    with theatre(request.param, request.getfixturevalue(f"{request.param}_server")) as made:
        yield made


def calls(there: Theatre, moto: int, ministack: int) -> range:
    """Which calls to kill at, of an apply that was just made without that."""
    return range(1, there.kill_at.calls + 1, EVERY or {"moto": moto, "ministack": ministack}[there.name])


@pytest.mark.timeout(2400)
def test_a_creation(there: Theatre) -> None:
    there.open()
    there.settle("new")
    for kill in calls(there, 40, 1):
        there.open()
        there.killed_and_mended("new", kill)
        there.check("new")


@pytest.mark.timeout(2400)
def test_an_update(there: Theatre) -> None:
    """To new images, settings and reservations, and back again, by turns."""
    there.open()
    there.settle("new")
    there.settle("changed")
    now, then = "changed", "new"
    for kill in calls(there, 40, 8):
        there.killed_and_mended(then, kill)
        there.check(then)
        now, then = then, now


@pytest.mark.timeout(2400)
def test_a_prune(there: Theatre) -> None:
    there.open()
    there.settle("new")
    there.settle("one")
    for kill in calls(there, 60, 15):
        there.settle("new")
        there.killed_and_mended("one", kill)
        there.check("one", gone=tuple(TEN[1:]))
