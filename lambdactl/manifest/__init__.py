"""Manifests and lambdactl.yaml: text -> checked, frozen values, or every problem with its place.

    bytes -> document (values with places) -> check (schema) -> draft (defaults) -> rules -> resolve

Changes nothing and needs no AWS.
"""

from lambdactl.manifest.job import Job, Settings
from lambdactl.manifest.loader import Loaded, find_root, load

__all__ = ["Job", "Loaded", "Settings", "find_root", "load"]
