"""What plans and applies cost, as whole processes beside a bare script's. Prints; asserts nothing.

Against ministack, behind a front that counts calls and makes each take longer, as over a network.

python -m benchmarks.plan [COUNT ...]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compiled import compiled
from benchmarks.measure import HEAD, Measured, least, measured
from benchmarks.project import Account, write_project
from lambdactl.aws.pace import BUDGETS, family
from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.front import Front, Layer
from lambdactl.sandbox.layers import Record, latency
from tests.support.cloud import ministack, reset
from tests.support.populate import strangers
from tests.support.strict.throttle import Throttle

BARE = Path(__file__).with_name("bare.py")
NETWORK = 0.05  # seconds a call
CREATED = 100  # jobs at most: AWS's rates make a thousand take minutes
TIMES = 3  # a plan is repeated; the run that the machine disturbed least counts
CROWD = 5000


def main() -> None:
    compiled()
    counts = [int(each) for each in sys.argv[1:]] or [10, 100, 1000]
    print(HEAD)
    with ministack() as upstream, tempfile.TemporaryDirectory() as folder:
        for count in counts:
            reset("ministack", upstream)
            _project(Bench(upstream=upstream, folder=Path(folder) / str(count), count=count))
        reset("ministack", upstream)
        _crowded(Bench(upstream=upstream, folder=Path(folder) / "crowded", count=20))


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A project of `count` jobs in `folder`, and the emulator that it goes to."""

    upstream: str
    folder: Path
    count: int

    def __post_init__(self) -> None:
        write_project(self.folder, self.count)
        # One for all fronts: it asks the emulator about each function that it has not seen.
        object.__setattr__(self, "_fill", Fill())

    @contextmanager
    def front(self, seconds: float, *more: Layer) -> Iterator[tuple[Account, Record]]:
        record = Record()
        layers = [record, *([latency(seconds)] if seconds else []), *more, self._fill]  # type: ignore[attr-defined]
        with Front(self.upstream, layers) as front:
            yield Account(url=front.url, upstream=self.upstream, folder=self.folder), record

    def lambdactl(self, at: tuple[Account, Record], *argv: str) -> Measured:
        program = [str(Path(sys.executable).with_name("lambdactl")), *argv]
        return measured(program, self.folder, at[0].environment, at[1])

    def bare(self, at: tuple[Account, Record], what: str, project: str = "bench") -> Measured:
        argv = [sys.executable, str(BARE), what, str(self.count), project, at[0].image_uri]
        return measured(argv, self.folder, at[0].environment, at[1])


def _project(bench: Bench) -> None:
    """One project, alone in its account: created, planned, changed in one place."""
    if bench.count <= CREATED:
        _create(bench)
    else:
        with bench.front(0) as (account, _):
            account.prepare()
            account.populate()
    for seconds in (0.0, NETWORK):
        with bench.front(seconds) as at:
            bench.lambdactl(at, "plan")  # the front learns the functions' images
            ours = least([bench.lambdactl(at, "plan") for _ in range(TIMES)])
            bare = least([bench.bare(at, "plan") for _ in range(TIMES)])
            _rows(bench.count, seconds, "plan, nothing to do", ours, bare)
    with bench.front(NETWORK) as at:
        if bench.count <= CREATED:  # a thousand take 70 s: two calls each, one at 14 a second
            _rows(bench.count, NETWORK, "plan --full", bench.lambdactl(at, "plan", "--full"))
        bare = bench.bare(at, "change")
        bench.lambdactl(at, "apply", "--yes")
        at[0].change_a_prompt()
        _rows(bench.count, NETWORK, "apply, one prompt changed", bench.lambdactl(at, "apply", "--yes"), bare)


def _create(bench: Bench) -> None:
    with bench.front(NETWORK, Throttle(time.monotonic)) as at:
        bare = bench.bare(at, "create", "bare")
    reset("ministack", bench.upstream)
    throttle = Throttle(time.monotonic)
    with bench.front(NETWORK, throttle) as at:
        at[0].prepare()
        ours = bench.lambdactl(at, "apply", "--yes")
        _rows(bench.count, NETWORK, "create, at AWS's rates", ours, bare)
        bound = _bound(ours.calls)
        print(f"{'':16}{bound:.1f} s is what our rate budgets allow; {throttle.refusals.total()} throttled")


def _crowded(bench: Bench) -> None:
    """A few jobs in an account full of others' functions."""
    with bench.front(NETWORK) as at:
        at[0].prepare()
        at[0].populate()
        strangers(bench.upstream, CROWD)
        ours = least([bench.lambdactl(at, "plan") for _ in range(TIMES)])
        bench.bare(at, "plan")
        bare = least([bench.bare(at, "plan") for _ in range(TIMES)])
        _rows(bench.count, NETWORK, f"plan, beside {CROWD} strangers", ours, bare)


def _rows(count: int, seconds: float, what: str, ours: Measured, bare: Measured | None = None) -> None:
    print(ours.row(count, seconds, what, "lambdactl"))
    if bare is not None:
        print(bare.row(count, seconds, what, "bare"))
    if seconds:
        print(f"{'':16}{ours.by_operation}", flush=True)


def _bound(calls: Mapping[str, int]) -> float:
    """The seconds that these calls take at our own budgets, a second's worth of each at once."""
    families: dict[str, int] = {}
    for call, count in calls.items():
        name = family(*call.split("."))
        families[name] = families.get(name, 0) + count
    return max(count / BUDGETS[name] - 1 for name, count in families.items())


if __name__ == "__main__":
    main()
