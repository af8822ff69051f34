"""How much time is kept for the upload, by what was measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.reserve import BASE, MOST, RATE, Lag, Pace, reserve

MB = 1_000_000


def test_an_idle_backlog_keeps_the_base_and_some_round_trips() -> None:
    pace = Pace()
    assert reserve(pace, 0) == BASE
    pace.took(1000, 0.05)
    assert BASE < reserve(pace, 0) < 1.5


def test_a_backlog_takes_what_it_took_before() -> None:
    pace = Pace()
    assert reserve(pace, 50 * MB) == BASE + 50 * MB / RATE  # nothing is known yet
    for _ in range(20):
        pace.took(2 * MB, 0.1)  # 20 MB/s
    assert 3.4 < reserve(pace, 50 * MB) < 3.6


def test_small_parts_say_nothing_of_the_rate() -> None:
    pace = Pace()
    for _ in range(20):
        pace.took(100, 0.1)
    assert pace.rate == RATE
    assert reserve(pace, 0, files=800) > 10  # each is a round trip, eight at once


@given(st.integers(0, 1 << 40), st.integers(0, 10**6), st.floats(0, 1e6))
def test_it_is_bounded(left: int, files: int, late: float) -> None:
    assert BASE <= reserve(Pace(round_trip=1.0), left, files, late) <= MOST


def test_who_comes_late_needs_longer_until_that_is_forgotten() -> None:
    lag, now = Lag(), 0.0
    for _ in range(10):
        lag.seen(now := now + 0.1)
    assert lag.late == 0
    lag.seen(now := now + 0.7)
    assert reserve(Pace(), 0, late=lag.late) > BASE + 4
    for _ in range(600):
        lag.seen(now := now + 0.1)
    assert reserve(Pace(), 0, late=lag.late) < BASE + 0.01
