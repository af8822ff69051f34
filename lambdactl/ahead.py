"""AWS opened, and what a plan waits for longest begun, while the manifests are still read. Changes nothing.

In threads that nobody waits for: where the manifests turn out bad, the program ends at once.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from lambdactl import account
from lambdactl.errors import LambdactlError
from lambdactl.manifest.job import Settings

if TYPE_CHECKING:
    from lambdactl.aws import Aws, Reader


FIRST_SERVICES = ("sts", "lambda", "logs", "iam")


class Ahead:
    """What `start` began. Where nothing was begun, AWS is opened when it is asked for.

    `sandbox` is None where the settings are to say.
    """

    def __init__(self, sandbox: bool | None, time_limit: float | None) -> None:
        self._sandbox = sandbox
        self._time_limit = time_limit
        self._begun: Future[tuple[Aws, Reader]] | None = None
        self._fresh = True

    def start(self, settings: Settings, jobs: int) -> None:
        """Begin, for about so many jobs."""
        begun = self._begun = Future()
        import lambdactl.kinds  # noqa: F401 - here, since the thread would wait for each of its files

        try:
            aws = self._connect(settings)
            aws.prepare(*FIRST_SERVICES)
        except LambdactlError as error:
            begun.set_exception(error)
        else:
            _aside(lambda: self._run(begun, settings, aws, jobs))

    def aws(self, settings: Settings) -> Aws:
        """Of the right account; or the error of opening it."""
        if self._begun:
            return self._begun.result()[0]
        aws = self._connect(settings)
        account.check(settings, aws, sandbox=self._is_sandbox(settings))
        return aws

    def reader(self) -> Reader | None:
        """What was read, for the first plan that asks; the next one reads anew."""
        fresh, self._fresh = self._fresh, False
        return self._begun.result()[1] if self._begun and fresh else None

    def _connect(self, settings: Settings) -> Aws:
        sandbox = self._is_sandbox(settings)
        return account.connect(settings, sandbox=sandbox, time_limit=self._time_limit)

    def _is_sandbox(self, settings: Settings) -> bool:
        return settings.sandbox if self._sandbox is None else self._sandbox

    def _run(self, begun: Future[tuple[Aws, Reader]], settings: Settings, aws: Aws, jobs: int) -> None:
        from lambdactl.aws import Reader
        from lambdactl.kinds import first_reads  # which `start` has imported

        sandbox = self._is_sandbox(settings)
        try:
            account.check(settings, aws, sandbox=sandbox)
        except BaseException as error:
            begun.set_exception(error)
            return
        reader = Reader(aws)
        begun.set_result((aws, reader))
        for read in first_reads(reader, account.offline_site(settings), jobs):
            _aside(read)


def _aside(work: Callable[[], object]) -> None:
    """In a thread that does not keep the program from ending. What fails, fails again for whoever asks."""

    def quietly() -> None:
        with contextlib.suppress(Exception):
            work()

    threading.Thread(target=quietly, daemon=True).start()
