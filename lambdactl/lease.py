"""The apply lock: one apply at a time for each project and environment. The only writer of that object.

    with Lease.acquire(aws, site, author(root)) as lease:
        ... start a step only while not lease.lost()

The lock is an object in the bucket, written only over what was seen there. Who finds it older than
EXPIRE_SECONDS, by S3's time alone, takes it over. Its holder renews it, and counts itself out earlier
than that by a clock that only measures how long ago its last renewal was *sent*: a renewal that hangs,
fails or comes too late needs nobody to notice. A step that is under way then is finished all the same:
the lock keeps two applies from starting steps at once, it cannot recall one.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lambdactl import holder
from lambdactl.author import Author
from lambdactl.aws import Aws, Stored
from lambdactl.cell import TRIES, Cell, changed
from lambdactl.errors import AwsError, LambdactlError, NotFound, Refused
from lambdactl.holder import EXPIRE_SECONDS, RENEW_SECONDS, Holder
from lambdactl.site import Site

# S3 tells times in whole seconds, and its hosts' clocks need not agree to the second.
HOLD_SECONDS = EXPIRE_SECONDS - 10
POLL_SECONDS = 3.0


def _elapsed() -> float:
    """Seconds that go on while the machine sleeps, unlike time.monotonic: a laptop's lid is no excuse."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _start(keep: Callable[[], None]) -> None:
    threading.Thread(target=keep, name="lease", daemon=True).start()


def _ignore(found: Holder) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How a lease passes its time. `clock` measures durations; its zero means nothing."""

    wait: float = 0.0  # seconds to wait for another holder
    on_wait: Callable[[Holder], None] = _ignore  # told once for each holder that is waited for
    every: float = RENEW_SECONDS
    clock: Callable[[], float] = _elapsed
    sleep: Callable[[float], None] = time.sleep
    start: Callable[[Callable[[], None]], None] = _start  # runs the renewals beside us


class Lease:
    """`pending` while there is no bucket yet: `take` it once there is."""

    def __init__(self, aws: Aws, site: Site, author: Author, timing: Timing) -> None:
        self._site, self._author, self._timing = site, author, timing
        self._deadline = aws.deadline
        self._cell = Cell(aws, site.bucket, site.apply_lock_key)
        self.nonce = secrets.token_hex(16)
        self._counter = 0
        self._first: Stored | None = None  # as it was when it became ours
        self._seen: Stored | None = None
        self._until: float | None = None  # by `clock`
        self._lost = threading.Event()
        self._ended = threading.Event()

    @classmethod
    def acquire(cls, aws: Aws, site: Site, author: Author, timing: Timing | None = None) -> Self:
        """The lock, held, or `pending` when there is no bucket. Refused when another holds it."""
        lease = cls(aws, site, author, timing or Timing())
        lease.take()
        return lease

    @property
    def pending(self) -> bool:
        return self._until is None

    def held(self) -> bool:
        """Whether nobody else can hold it now. Cheap: asks nobody."""
        return not self.pending and not self._ended.is_set() and not self.lost()

    def lost(self) -> bool:
        """Whether it was held once and another may hold it by now: time to stop. Never turns back."""
        if self._until is not None and self._timing.clock() >= self._until:
            self._lost.set()
        return self._lost.is_set()

    def take(self) -> None:
        """Take the lock while it is pending; does nothing to one that is not."""
        if not self.pending:
            return
        try:
            self._take()
            if not self.pending:
                self._timing.start(self._keep)
        except KeyboardInterrupt:
            self.release()  # it may have been written just now
            raise

    def renew(self) -> bool:
        """Renew it once, as the thread beside us does. False when that failed; `lost` says if for good."""
        sent = self._timing.clock()
        try:
            there = self._write(self._seen)
        except LambdactlError:  # also when the time limit of the whole is over
            return False
        if there is None or holder.read(there).nonce != self.nonce:
            self._lost.set()
            return False
        self._seen = there
        if there.content != self._body(self._counter) or self.lost():
            return False  # an older renewal, whose answer had been lost; or one that comes too late
        self._until = sent + HOLD_SECONDS
        return True

    def release(self) -> None:
        """Remove the lock if it is ours. No error when that fails: it expires by itself."""
        self._ended.set()
        with suppress(LambdactlError):
            for _ in range(TRIES):  # a renewal that is under way may come between
                there = self._cell.read()
                if there is None or holder.read(there).nonce != self.nonce or self._cell.delete(there):
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.pending:
            self.release()

    def _take(self) -> None:
        timing = self._timing
        deadline = timing.clock() + timing.wait
        told = ""
        while found := self._grab():
            left = deadline - timing.clock()
            if left <= 0:
                raise holder.refusal(found, self._site)
            if found.nonce != told:
                timing.on_wait(found)
                told = found.nonce
            pause = min(POLL_SECONDS, left)
            self._deadline.check(pause)
            timing.sleep(pause)

    def _grab(self) -> Holder | None:
        """One try. Who else holds it; None when it is ours now, or when there is no bucket."""
        sent = self._timing.clock()
        there: Stored | None = None
        for _ in range(TRIES):
            try:
                there = self._write(there)
            except NotFound as error:
                if error.code == "NoSuchBucket":
                    return None
                raise
            found = holder.read(there) if there else None
            if found and found.nonce == self.nonce:
                self._first = self._seen = there
                self._until = sent + HOLD_SECONDS
                return None
            if found and not found.expired:
                return found
        raise Refused(
            "the apply lock changes hands faster than we can follow",
            where=f"s3://{self._site.bucket}/{self._site.apply_lock_key}",
            hint="run the command again",
        )

    def _write(self, over: Stored | None) -> Stored | None:
        """Write our next content over what was seen; what stands there afterwards, whoever wrote it."""
        self._counter += 1
        try:
            return self._cell.put(self._body(self._counter), over)
        except AwsError as error:
            there = self._cell.read()  # another's; or ours, when only the answer was lost
            if changed(error) or (there and holder.read(there).nonce == self.nonce):
                return there
            raise

    def _body(self, counter: int) -> bytes:
        since = self._first.modified if self._first else None
        return holder.body(self._author, self.nonce, counter, since)

    def _keep(self) -> None:
        pause = self._timing.every
        while not self._ended.wait(pause) and not self.lost():
            pause = self._timing.every if self.renew() else self._timing.every / 4


def current(aws: Aws, site: Site) -> Holder | None:
    """Who holds the lock; None when nobody does."""
    there = Cell(aws, site.bucket, site.apply_lock_key).read()
    return holder.read(there) if there else None


def unlock(aws: Aws, site: Site, nonce: str | None = None) -> Holder | None:
    """Remove by hand what is there; what that was. With `nonce` only the lock that carries it."""
    cell = Cell(aws, site.bucket, site.apply_lock_key)
    found: Holder | None = None
    for _ in range(TRIES):  # its holder may renew it between
        there = cell.read()
        if there is None:
            return found
        found = holder.read(there)
        if nonce is not None and found.nonce != nonce:
            break
        nonce = found.nonce
        if cell.delete(there):
            return found
    raise Refused(f"the apply lock changed hands meanwhile: {found}", hint="look again: `lambdactl unlock`")
