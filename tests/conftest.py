"""Fixtures shared by all tests: emulated AWS, the container engine, a registry, a scripted model."""

pytest_plugins = ["tests.support.cloud"]
