"""Fixtures shared by all tests: emulated AWS, the real CLIs, a scripted model, the container engine."""

from hypothesis import settings

# Seconds are never asserted: the machines that run this are noisy.
settings.register_profile("lambdactl", deadline=None)
settings.load_profile("lambdactl")

pytest_plugins = [
    "tests.support.clis",
    "tests.support.cloud",
    "tests.support.engine",
    "tests.support.iam.simulator",
    "tests.support.iam.gate",
    "tests.support.model",
    "tests.support.program",
]
