"""An invocation in a process of its own, to be interrupted or killed: ENGINE IMAGE DO FOLDER."""

from __future__ import annotations

import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from lambdactl import container
from lambdactl.runners import local
from tests.runners.conftest import Runner


def main(executable: str, image: str, do: str, folder: str) -> int:
    stop = threading.Event()

    def interrupted(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        os.write(1, b"stopping\n")

    signal.signal(signal.SIGINT, interrupted)
    runner = Runner(container.find(executable), image)
    function, invocation = runner.made("output", then=do, timeout=60, run_folder=Path(folder))
    try:
        local.invoke(function, invocation, runner.engine, partial(print, flush=True), stop)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
