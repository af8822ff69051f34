"""`run-local --watch`: runs again when what is run has changed. Knows no job: only what `mark` tells.

A file that changes is a reason to look: whether it matters, the mark says, which is made of the whole
definition, image and input. So a file that is not included, or one that is written anew as it was, runs
nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from lambdactl.cli import output
from lambdactl.cli.signals import Stop
from lambdactl.errors import LambdactlError, RunError

OURS = ".lambdactl"
LOOK_MS = 200  # milliseconds between looks at files outside of the project, and at Ctrl-C


class Rerun:
    """`mark` is equal for what would run alike, and raises LambdactlError for what cannot run.

    `outside` are files that may lie elsewhere. `end` is set by the user.
    """

    def __init__(self, root: Path, mark: Callable[[], str], outside: Iterable[Path], end: Stop) -> None:
        self._root, self._mark, self._outside, self._end = root, mark, tuple(outside), end
        self._changed = threading.Event()
        self._running: threading.Event | None = None  # its `stop`
        self._latest = ""
        self._broken = ""  # why nothing is watched any more

    def forever(self, run: Callable[[threading.Event], int]) -> int:
        """Run, wait for a change, run again; a change while it runs stops it softly. The last exit code,
        once `end` is set while it runs; KeyboardInterrupt while it waits."""
        stopping = self._end.message
        watching = threading.Thread(target=self._watch_or_tell, daemon=True)
        self._latest = self._marked()
        watching.start()
        while True:
            self._changed.clear()
            stop = threading.Event()
            self._running, self._end.message = stop, stopping
            code = self._once(run, stop)
            self._running, self._end.message = None, ""  # nothing is to be stopped
            if self._end.is_set():
                return code
            if not self._changed.is_set():
                output.note("waiting for a change; Ctrl-C ends", style="dim")
            while not (self._broken or self._changed.wait(LOOK_MS / 1000)):
                if self._end.is_set():
                    raise KeyboardInterrupt
            if self._broken:
                raise RunError(
                    f"cannot watch {self._root}",
                    why=self._broken,
                    hint="set WATCHFILES_FORCE_POLLING=1, which looks at each file instead",
                )

    def _once(self, run: Callable[[threading.Event], int], stop: threading.Event) -> int:
        try:
            return run(stop)
        except LambdactlError as problem:
            output.error(problem)
            return problem.exit_code

    def _watch_or_tell(self) -> None:
        try:
            self._watch()
        except Exception as broken:  # of any kind that the system's notices fail with
            self._broken = str(broken) or repr(broken)
        else:
            self._broken = "the system says nothing of changed files any more"

    def _watch(self) -> None:
        from watchfiles import DefaultFilter, watch

        looks = DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, OURS))
        before, first = self._stats(), True
        for changes in watch(
            self._root,
            watch_filter=looks,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            if self._end.is_set() and self._running:
                self._running.set()
            now = self._stats()
            # Once in any case: what changed before the system was asked to tell is not told.
            if (first or changes or now != before) and (mark := self._marked()) != self._latest:
                self._latest = mark
                untold = "the input" if now != before else "what is run"
                names = _names(path for _, path in changes) or untold
                output.note(f"changed: {names}", style="magenta")
                self._changed.set()
                if self._running:
                    output.note("stopping the run, to begin again", style="dim")
                    self._running.set()
            before, first = now, False

    def _marked(self) -> str:
        try:
            return self._mark()
        except LambdactlError as problem:
            return f"{type(problem).__name__}: {problem}"
        except OSError as problem:  # a file that is being replaced
            return str(problem)

    def _stats(self) -> list[tuple[int, int]]:
        found = []
        for path in self._outside:
            try:
                stat = path.stat()
            except OSError:
                found.append((0, 0))
            else:
                found.append((stat.st_mtime_ns, stat.st_size))
        return found


def _names(paths: Iterable[str]) -> str:
    """Without what an editor writes on its way, which is gone by then, if there is anything else."""
    paths = list(paths)
    there = [path for path in paths if os.path.exists(path) and not path.endswith("~")]
    names = sorted({Path(path).name for path in there or paths})
    return ", ".join(names[:5])
