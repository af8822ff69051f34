"""`${secrets.NAME}` references, and texts that look like a secret written out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SECRET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
REFERENCE = re.compile(r"\$\{secrets\.([A-Za-z][A-Za-z0-9_]*)\}")

# Beginnings that their makers chose so that scanners can find them: Anthropic, OpenAI, GitHub,
# GitLab, AWS, Slack, Google, npm, PyPI, a PEM private key. A false alarm costs a rename; a miss
# costs a leaked key in git and in a bucket.
LITERAL_SECRET = re.compile(
    r"sk-ant-[A-Za-z0-9_-]{8}|(?<![A-Za-z0-9])sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20}|gh[opusr]_[A-Za-z0-9]{16}"
    r"|github_pat_[A-Za-z0-9_]{16}|glpat-[A-Za-z0-9_-]{16}|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abeoprs]-[A-Za-z0-9-]{8}"
    r"|AIza[A-Za-z0-9_-]{30}|npm_[A-Za-z0-9]{30}|pypi-[A-Za-z0-9_-]{30}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def texts(value: Any) -> list[str]:
    """Every text and every key in `value`."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*map(str, value), *(text for item in value.values() for text in texts(item))]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


def keys(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every key of a map below `value`, in document order."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        if isinstance(value, dict):
            yield (*path, key)
        yield from keys(item, (*path, key))


def strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text below `value` with its path, in document order."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, (*path, index))
