"""The same tests on each engine, and a sandbox that the tests of a module share.

A start costs seconds, an event to a sandbox that is there costs none: what needs no function of its own
asks that one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lambdactl.container import Engine
from lambdactl.runners.protocol import Response
from tests.runners.conftest import Runner, base_tag, copies, engine, image, on

__all__ = ["answer", "base_tag", "copies", "engine", "image", "on"]


@pytest.fixture
def runner(on: Engine, copies: Callable[[Engine], str]) -> Iterator[Runner]:
    """For functions of a test's own. Not in one module with `sandbox`: it leaves nothing behind."""
    made = Runner(on, copies(on))
    yield made
    assert made.left_behind() == []


@dataclass
class Shared:
    """One sandbox for several tests. Called with an event's fields, as a Runner is."""

    runner: Runner
    invoke: Callable[..., Response]

    @property
    def lines(self) -> list[str]:
        return self.runner.lines

    def __call__(self, do: str, **event: Any) -> Response:
        return self.invoke(do, **event)


@pytest.fixture(scope="module")
def opened(on: Engine, copies: Callable[[Engine], str], request: pytest.FixtureRequest) -> Iterator[Shared]:
    """Of the function that the module's FUNCTION describes."""
    runner = Runner(on, copies(on))
    with runner.sandbox(**getattr(request.module, "FUNCTION", {})) as invoke:
        yield Shared(runner, invoke)
    assert runner.left_behind() == []


@pytest.fixture
def sandbox(opened: Shared) -> Shared:
    opened.lines.clear()
    return opened


def answer(response: Response) -> Any:
    """What the function answered; an error is none."""
    assert response.function_error == "", response.payload
    return json.loads(response.payload)


def error(response: Response) -> dict[str, Any]:
    """What Lambda answers when the function failed."""
    assert response.function_error == "Unhandled", response.payload
    return dict(json.loads(response.payload))
