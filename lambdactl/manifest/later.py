"""Fields that are designed but not built yet: refused in these words, not as unknown keys. Pure.

When a feature lands, its line goes from here and its field goes into `schemas/job.schema.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

# "*" stands for any name.
_LATER: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("permissionsBoundary",): "a permissions boundary for one job (the project's works: lambdactl.yaml)",
    }
)


def planned() -> Iterator[tuple[str, str]]:
    """Every such field as it would be written, and what it is for."""
    return ((".".join(path).replace("*", "NAME"), feature) for path, feature in _LATER.items())


def feature_of(path: Sequence[str | int]) -> str:
    """What the field at `path` is for, or "" when no such field is planned."""
    for pattern, feature in _LATER.items():
        if len(pattern) == len(path) and all(a in ("*", b) for a, b in zip(pattern, path, strict=True)):
            return feature
    return ""
