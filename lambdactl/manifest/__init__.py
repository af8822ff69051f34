"""Manifests and lambdactl.yaml: text -> checked, frozen values, or every problem with its place.

    bytes -> document (values with places) -> check (schema) -> draft (layers) -> rules -> resolve

What an environment says stands in layers below and above the manifest (`layers`).

Changes nothing and needs no AWS.
"""

from lambdactl.manifest.folder import find_root
from lambdactl.manifest.job import Job, Jobs, Settings
from lambdactl.manifest.loader import Loaded, load, load_all, problems, settings
from lambdactl.manifest.source import place

__all__ = [
    "Job", "Jobs", "Loaded", "Settings", "find_root", "load", "load_all", "place", "problems", "settings",
]  # fmt: skip
