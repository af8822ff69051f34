"""Takes what a run writes to the store while it goes on. A thread of its own: the agent never waits for it.

It also looks whether somebody asked to cancel the run, and measures what is left to upload. It decides
nothing, and no trouble of the store is an error before `finish`.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from agent import media
from agent.left import Left
from agent.redact import Redactor
from agent.reserve import Lag, Pace, reserve
from agent.result import StoredFile
from agent.store import Store, StoreError
from agent.stream import Part, Source, Stream

CANCEL = "control/cancel"  # in the run folder, made by `lambdactl cancel`
ASKED = f"somebody asked for it ({CANCEL})"
LOOK = 1.0  # seconds between looks at the streams
SEARCH = 3.0  # at which of them there are
ASK = 4.0  # whether to cancel
WEIGH = 10.0  # at the artifacts
PAUSE = 10.0  # seconds at most before a part is tried again
TRIES = 5  # of a part in a row, at the end: some 15 seconds of pauses, besides the store's own tries
STREAMS = 500
MAIN = 2  # of them are the agent's own outputs
WORKERS = 4  # each holds a part in memory
BYTES = 2 << 30  # of all streams; a job that writes more floods

# The sources there are now.
Sources = Callable[[], Iterable[Source]]
# How many files and bytes the artifacts are now; of very many, of the first.
Weigh = Callable[[], tuple[int, int]]


@dataclass(slots=True)
class _Lane:
    """A stream, and what keeps its parts one after the other."""

    stream: Stream
    main: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    failures: int = 0
    not_before: float = 0.0
    error: str = ""


@dataclass(slots=True)
class _Turn:
    """What is done aside, every so many seconds, and not while it is still being done."""

    do: Callable[[], None]
    every: float
    at: float = 0.0  # by the clock
    _under_way: Future[None] | None = None

    def take(self, now: float, pool: ThreadPoolExecutor) -> None:
        if now >= self.at and (self._under_way is None or self._under_way.done()):
            self.at, self._under_way = now + self.every, _given(pool, self.do)


class Mirror:
    """`start` before the agent, `stop` after it, then `finish`: what is stored."""

    def __init__(
        self,
        store: Store,
        redactor: Redactor,
        sources: Sources,
        weigh: Weigh = lambda: (0, 0),
        clock: Callable[[], float] = time.monotonic,
        most: int = BYTES,
        pool: Callable[[int], ThreadPoolExecutor] = ThreadPoolExecutor,
    ) -> None:
        self._store, self._redactor, self._clock = store, redactor, clock
        self._sources, self._weigh = sources, weigh
        self._lanes: dict[str, _Lane] = {}  # by what the names of its parts begin and end with
        self._pool = pool(WORKERS)
        self._aside = pool(2)  # parts that hang keep these from nothing
        self._stop = threading.Event()
        self._cancelled = False
        self._asking, self._measuring = _Turn(self._ask, ASK), _Turn(self._measure, WEIGH)
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._under_way: set[Future[None]] = set()
        self._pace, self._lag = Pace(), Lag()
        self._weight = (0, 0)
        self._most, self._books = most, threading.RLock()
        self._stored = 0  # bytes
        self._others = 0  # of them, of all streams but the main ones
        self._beyond: list[str] = []
        self._unsearched = ""  # why the last search found nothing

    # -- while the agent runs ----------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def cancelled(self) -> bool:
        """Whether somebody asked for the end of the run, as far as it is known: to be asked often, until
        `finish`. The store is asked aside, again and again."""
        self._asking.take(self._clock(), self._aside)
        return self._cancelled

    def reserve(self) -> float:
        """Seconds that storing the rest takes, as it looks now. To be asked often: that is a measure too."""
        self._lag.seen(self._clock())
        streams = [lane.stream for lane in list(self._lanes.values())]
        for stream in streams[:MAIN]:  # these come first, and may have grown since the last look
            stream.look(self._clock())
        left = sum(stream.backlog if self._store.keeps else stream.size for stream in streams)
        files, size = self._weight
        return reserve(self._pace, left + size, files, self._lag.late)

    def stop(self) -> None:
        """No more looks. What is on its way to a store that will be emptied is waited for."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join()
        if not self._store.keeps:
            wait(self._under_way)

    def _run(self) -> None:
        search_at = 0.0
        while not self._stop.wait(LOOK):
            now = self._clock()
            if now >= search_at:
                search_at = now + SEARCH
                self._search()
            self._measuring.take(now, self._aside)
            for lane in list(self._lanes.values()):
                lane.stream.look(now)
                if lane.stream.due(now) and now >= lane.not_before and not lane.lock.locked():
                    self._submit(lane)

    def _submit(self, lane: _Lane) -> None:
        self._under_way = {each for each in self._under_way if not each.done()}
        if (given := _given(self._pool, lambda: self._advance(lane))) is not None:
            self._under_way.add(given)

    def _search(self) -> None:
        """One that fails ends no thread: what is known is stored, and a cancel is heard, all the same."""
        try:
            found, self._unsearched = list(self._sources()), ""
        except Exception as error:
            self._unsearched = f"{type(error).__name__}: {error}"
            return
        beyond = []
        for source in found:
            name = source.folder + source.suffix
            if name not in self._lanes and len(self._lanes) < STREAMS:
                main = len(self._lanes) < MAIN  # they come first
                self._lanes[name] = _Lane(Stream(source, self._redactor), main)
            elif name not in self._lanes or self._lanes[name].stream.source != source:
                beyond.append(source.folder)
        self._beyond = beyond

    def _ask(self) -> None:
        if self._store.exists(CANCEL):
            self._cancelled = True

    def _measure(self) -> None:
        self._weight = self._weigh()

    def _advance(self, lane: _Lane) -> None:
        """Store what is due. A failure is tried again later, with longer and longer pauses."""
        with lane.lock:
            while not self._stop.is_set() and lane.stream.due(self._clock()) and self._next(lane, last=False):
                pass

    # -- at the end --------------------------------------------------------------------------------

    def finish(self, left: Left, seconds: float) -> tuple[StoredFile, ...]:
        """Store the rest within `seconds`; what could not be is left out, and what was is told."""
        until = self._clock() + seconds
        self._search()
        if not self._store.keeps:  # a job could write there too: only what we write now counts
            self._stored = self._others = 0
            for lane in self._lanes.values():
                lane.stream.again()
        ends = {self._pool.submit(self._drain, lane, until): lane for lane in self._lanes.values()}
        wait(ends, timeout=max(0.0, seconds))
        self._asking.at = math.inf
        for pool in (self._pool, self._aside):
            pool.shutdown(wait=False, cancel_futures=True)
        for end, lane in ends.items():
            if not end.done() or end.cancelled() or end.exception() or not end.result():
                self._leave(lane, left)
        if self._unsearched:
            left.out("streams that came last", f"they could not be looked for ({self._unsearched})")
        for folder in self._beyond:
            left.out(folder, f"streams beyond {STREAMS:,}, or of a name that another has")
        return tuple(file for lane in self._lanes.values() for file in tuple(lane.stream.stored))

    @property
    def notes(self) -> list[str]:
        """What a reader of the parts must know."""
        names = [lane.stream.source.folder for lane in self._lanes.values() if lane.stream.restarts]
        more = "the agent cut short or replaced what was stored already, its parts hold both: "
        return [f"{more}{', '.join(names[:5])}"] if names else []

    def _drain(self, lane: _Lane, until: float) -> bool:
        """Whether all of it is stored."""
        lane.failures = 0
        if not lane.lock.acquire(timeout=max(0.0, until - self._clock())):
            return False
        try:
            while self._clock() < until:
                if self._next(lane, last=True):
                    continue
                if not lane.failures or lane.failures >= TRIES:
                    return not lane.error
                time.sleep(min(max(0.0, lane.not_before - self._clock()), max(0.0, until - self._clock())))
            return False
        finally:
            lane.lock.release()

    def _leave(self, lane: _Lane, left: Left) -> None:
        stream = lane.stream
        why = f"they could not be stored ({lane.error})" if lane.error else "no time was left to store them"
        left.out(f"{stream.source.folder} from part {len(stream.stored) + 1} on", why)

    # -- one part ----------------------------------------------------------------------------------

    def _next(self, lane: _Lane, *, last: bool) -> bool:
        """Whether a part was stored: not when there is none, nor when the store does not take it."""
        began, stream = self._clock(), lane.stream
        part = stream.part(began, last=last)
        if part is None:
            return False
        if not self._booked(lane, len(part.content)):
            return False
        content_type = media.content_type(part.name)
        try:
            self._store.put(part.name, part.content, content_type)
        except StoreError as error:
            self._book(lane, -len(part.content))
            lane.failures += 1
            lane.not_before = self._clock() + min(PAUSE, 0.5 * 2**lane.failures)
            lane.error = str(error)
            return False
        lane.failures, lane.error = 0, ""
        self._pace.took(len(part.content), self._clock() - began)
        stream.done(_stored(part, content_type))
        return True

    def _booked(self, lane: _Lane, size: int) -> bool:
        """Whether there is room for them: a transcript that is replaced again and again costs no event."""
        with self._books:
            taken, most = (self._stored, self._most) if lane.main else (self._others, self._most // 2)
            if taken + size > most:
                lane.error = f"over {most:,} bytes in all"
                return False
            self._book(lane, size)
        return True

    def _book(self, lane: _Lane, size: int) -> None:
        with self._books:
            self._stored += size
            self._others += 0 if lane.main else size


def _given(pool: ThreadPoolExecutor, do: Callable[[], None]) -> Future[None] | None:
    """None when no thread can be started, of which an agent may use up all: it is tried again later."""
    try:
        return pool.submit(do)
    except RuntimeError:
        return None


def _stored(part: Part, content_type: str) -> StoredFile:
    digest = hashlib.sha256(part.content).hexdigest()
    return StoredFile(path=part.name, size=len(part.content), sha256=digest, content_type=content_type)
