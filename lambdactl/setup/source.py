"""Where workflows get lambdactl: only what nobody else can put his code into. Looks at one file, asks nobody.

This project has published nothing under its name on PyPI. Whoever takes that name would have his code
run with the apply role, so no name is ever written into a workflow.
"""

from __future__ import annotations

import re
from pathlib import Path

from lambdactl.errors import UsageError

_COMMIT = re.compile(r"git\+https://[A-Za-z0-9.-]+(?::[0-9]+)?/[A-Za-z0-9._~/-]+@[0-9a-f]{40}")
_WHEEL = re.compile(r"[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*\.whl")

# For a plain YAML scalar and a single-quoted shell word: no colon before a space, no apostrophe.
UNSAID = (
    "echo '::error title=lambdactl::this does not say yet where lambdactl comes from - write here"
    " uv tool install git+https://HOST/OWNER/lambdactl@COMMIT, as lambdactl init --install-from does'"
    " && exit 1"
)


def install(source: str, root: Path) -> str:
    """The command of a workflow's install step; without a `source` one that fails and says why."""
    if not source:
        return UNSAID
    if _COMMIT.fullmatch(source):
        return f"uv tool install {source}"
    wheel = source.removeprefix("./")
    if _WHEEL.fullmatch(wheel) and ".." not in wheel.split("/") and (root / wheel).is_file():
        return f"uv tool install ./{wheel}"
    raise UsageError(
        f"workflows cannot install from {source!r}",
        why="it must be a commit or a wheel in the repository, which nobody else can change",
        hint="git+https://HOST/OWNER/lambdactl@COMMIT with all 40 digits, or the path of an existing .whl",
    )
