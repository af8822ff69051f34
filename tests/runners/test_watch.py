"""What ends the waiting for a runtime, when several things happen at once."""

from __future__ import annotations

import threading
import time

from lambdactl.runners.runtime_api import Outcome, RuntimeApi
from lambdactl.runners.watch import Watch


def test_a_runtime_that_answers_and_ends_at_once_has_answered() -> None:
    """The answer came first, though nobody had looked again when the end was seen."""
    api = RuntimeApi("token")

    class Ended(threading.Event):
        def is_set(self) -> bool:
            api.outcome = Outcome("response", b"done")
            return True

    watch = Watch(api=api, exited=Ended(), stop=threading.Event(), terminate=lambda: None)
    assert watch.until_answered(time.monotonic() + 60) == "answered"
