"""Fixtures shared by all tests: emulated AWS, the real CLIs, a scripted model, the container engine."""

pytest_plugins = [
    "tests.support.clis",
    "tests.support.cloud",
    "tests.support.engine",
    "tests.support.iam.simulator",
    "tests.support.iam.gate",
    "tests.support.model",
    "tests.support.program",
]
