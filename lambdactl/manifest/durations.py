"""Durations as people write them: "90s", "10m", "1h30m". Pure."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?=.)(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?")


def seconds(text: str) -> int | None:
    """The number of seconds, or None when `text` is not a duration."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    hours, minutes, rest = (int(group or 0) for group in match.groups())
    return hours * 3600 + minutes * 60 + rest


def written(duration: int) -> str:
    """The shortest way to write it: 5400 -> "1h30m"."""
    hours, rest = divmod(duration, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
