"""Runs a module as a program that ends with its parent: `... -m lambdactl.sandbox.leash LOCK MODULE ARG...`

Knows nothing of what it runs. Standard input is a pipe whose other end only the parent holds: when it
closes, for whatever reason (also SIGKILL), this process sends itself SIGTERM, so that it can save its
state. Portable, where prctl(PR_SET_PDEATHSIG) is Linux only. LOCK is a file that is held locked for as
long as this process lives: two generations of a program never share their state.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import signal
import sys
import threading
import time

GRACE = 10  # seconds from SIGTERM to SIGKILL


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def main(lock: str, module: str, *arguments: str) -> None:
    with open(lock, "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # waits for the generation before to have saved its state
        threading.Thread(target=end_with_parent, daemon=True).start()
        # A module that is None cannot be imported: no SDK, no way to the engine's socket.
        sys.modules["docker"] = None  # type: ignore[assignment]
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
