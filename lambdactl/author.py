"""Who applies, and what: for the lock and the history. Asks the machine and git, never AWS."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambdactl.setup.git import commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    who: str  # user@host, or a GitHub actor and the address of the run
    commit: str = ""  # "" when there is none; ends with "-dirty" when more than it was applied


def author(root: Path, environ: Mapping[str, str] = os.environ) -> Author:
    """Whoever runs this process, with what is checked out at `root`."""
    return Author(who=_workflow(environ) or _person(), commit=environ.get("GITHUB_SHA") or commit(root))


def short(commit: str) -> str:
    """A commit as people read it."""
    head, dash, dirty = commit.partition("-")
    return f"{head[:12]}{dash}{dirty}"


def _workflow(environ: Mapping[str, str]) -> str:
    """The run of a GitHub workflow; "" outside of one."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.get(name, "") for name in names)
    if not (server and repository and run):
        return ""
    return f"{environ.get('GITHUB_ACTOR', '')} {server}/{repository}/actions/runs/{run}".strip()


def _person() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name; OSError since Python 3.13
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
