"""AWS's two shapes of tags: a map, and a list of {Key, Value}. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def unpaired(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """As a map, without the `aws:` tags, which AWS sets itself."""
    return {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith("aws:")}
