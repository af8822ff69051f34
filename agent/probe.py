"""What the sandbox around us denies, found out by trying. Best effort, and changes nothing."""

from __future__ import annotations

import ctypes

_PR_SET_PDEATHSIG = 1
_PR_GET_PDEATHSIG = 2


def sandbox() -> dict[str, str]:
    """`pdeathsig`: whether a process may ask to die with its parent, "allowed" or "denied".

    Where it is denied, as Lambda's seccomp filter is reported to do, Codex's own shell cannot start a
    command (see agent.clis.codex). We ask for what we have already.
    """
    try:
        libc, now = ctypes.CDLL(None), ctypes.c_int(0)
        libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(now), 0, 0, 0)
        allowed = libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(now.value), 0, 0, 0) == 0
    except (OSError, AttributeError):
        return {}
    return {"pdeathsig": "allowed" if allowed else "denied"}
