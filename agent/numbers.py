"""Numbers in JSON that is not ours: what a model's API, or an agent, says of usage and cost. Pure."""

from __future__ import annotations

import math
from typing import Any

MOST = 10**15  # beyond it nothing is counted in earnest, and sums and floats stay exact


def count(value: Any) -> int:
    """How many; 0 for what is no such number."""
    number = amount(value)
    return 0 if number is None else int(number)


def amount(value: Any) -> float | int | None:
    """How much, 0 or more; None for what is no such number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value <= MOST or not math.isfinite(value):  # NaN is in no range
        return None
    return value
