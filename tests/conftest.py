"""Fixtures shared by all tests: emulated AWS, the real CLIs, a scripted model, the container engine."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Seconds are never asserted: the machines that run this are noisy.
settings.register_profile("lambdactl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lambdactl")

# In the background of a shell, as by nohup, Ctrl-C is ignored, and by what is started here as well: a test
# that interrupts a program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.support.clis",
    "tests.support.cloud",
    "tests.support.engine",
    "tests.support.iam.simulator",
    "tests.support.iam.gate",
    "tests.support.model",
    "tests.support.program",
    "tests.support.rie",
]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What a test makes of signals in this process is not the next one's."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
