"""The apply lock: one holder at a time, whatever S3's answers do on their way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import cache
from typing import Any

import pytest

from lambdactl.author import Author
from lambdactl.aws import Aws
from lambdactl.errors import AwsError, Refused, TimeLimit
from lambdactl.holder import EXPIRE_SECONDS, Holder
from lambdactl.lease import HOLD_SECONDS, Lease, Timing, current, unlock
from lambdactl.sandbox.front import Front, Layer, Next, Request, Response, chain
from lambdactl.sandbox.identify import identify
from tests.support.cloud import SITE, Cloud

ANN = Author(who="ann@laptop", commit="a" * 40)
BOB = Author(who="bob https://github.com/o/r/actions/runs/7", commit="b" * 40 + "-dirty")
KEY = SITE.apply_lock_key


class Clock:
    """Durations as a test wants them; sleeping passes them. Nothing runs beside the test."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waited_for: list[Holder] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def timing(self, wait: float = 0.0) -> Timing:
        return Timing(
            wait=wait,
            on_wait=self.waited_for.append,
            clock=lambda: self.now,
            sleep=self.sleep,
            start=lambda keep: None,
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@cache
def s3(cloud: Cloud) -> Any:
    return cloud.client("s3")


@cache
def aws_of(cloud: Cloud) -> Aws:
    """One for all leases of a test: a lease keeps nothing in it."""
    aws = cloud.aws()
    aws.client("s3")
    return aws


@pytest.fixture
def bucket(cloud: Cloud) -> Cloud:
    """Versioned, as those that lambdactl makes."""
    s3(cloud).create_bucket(Bucket=SITE.bucket)
    s3(cloud).put_bucket_versioning(Bucket=SITE.bucket, VersioningConfiguration={"Status": "Enabled"})
    return cloud


@pytest.fixture(params=["plain", "versioned"])
def any_bucket(bucket: Cloud, request: pytest.FixtureRequest) -> Cloud:
    if request.param == "plain":
        s3(bucket).delete_bucket(Bucket=SITE.bucket)
        s3(bucket).create_bucket(Bucket=SITE.bucket)
    return bucket


def acquire(cloud: Cloud, author: Author = ANN, timing: Timing | None = None) -> Lease:
    return Lease.acquire(aws_of(cloud), SITE, author, timing or Clock().timing())


def content(cloud: Cloud) -> dict[str, object]:
    body = s3(cloud).get_object(Bucket=SITE.bucket, Key=KEY)["Body"].read()
    return dict(json.loads(body))


def there(cloud: Cloud) -> bool:
    return bool(s3(cloud).list_objects_v2(Bucket=SITE.bucket, Prefix=KEY)["KeyCount"])


@contextmanager
def behind(cloud: Cloud, layer: Layer) -> Iterator[Cloud]:
    """The same account through one more layer."""
    with Front(cloud.url, [layer]) as front:
        yield replace(cloud, url=front.url)


def s3_time(later: Callable[[], float]) -> Layer:
    """S3's clock so many seconds later than when the emulator wrote the object."""

    def shifted(request: Request, following: Next) -> Response:
        answer = following(request)
        now = parsedate_to_datetime(answer.header("date")) + timedelta(seconds=later())
        kept = tuple(each for each in answer.headers if each[0].lower() != "date")
        return replace(answer, headers=(*kept, ("Date", format_datetime(now, usegmt=True))))

    return shifted


EXPIRED = s3_time(lambda: EXPIRE_SECONDS + 2)  # two: both times are in whole seconds


def lost_answers(operation: str, status: int = 500) -> Layer:
    """The first such write is made and answered with an error: botocore repeats after 500, not after 400."""
    left = [1]

    def layer(request: Request, following: Next) -> Response:
        answer = following(request)
        if identify(request) == ("s3", operation) and answer.status < 300 and left[0]:
            left[0] -= 1
            return Response(status=status)
        return answer

    return layer


# -- taking it ------------------------------------------------------------------------------------


def race(count: int, attempt: Callable[[int], object]) -> list[object]:
    """What each of many threads got, all let off at once."""
    start = threading.Barrier(count)
    results: list[object] = [None] * count

    def one(number: int) -> None:
        start.wait()
        try:
            results[number] = attempt(number)
        except Refused as refused:
            results[number] = refused

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_many_exactly_one_gets_it(any_bucket: Cloud) -> None:
    clouds = [aws_of(any_bucket) for _ in range(20)]
    for aws in clouds:
        aws.client("s3")
    authors = [Author(who=f"nr{number}") for number in range(20)]
    got = race(20, lambda number: acquire(any_bucket, authors[number]))
    winners = [number for number, each in enumerate(got) if isinstance(each, Lease)]
    assert len(winners) == 1
    assert content(any_bucket)["owner"] == f"nr{winners[0]}"
    assert all(f"nr{winners[0]}" in str(each) for each in got if isinstance(each, Refused))


def test_a_refusal_says_who_holds_it_and_what_to_do(bucket: Cloud) -> None:
    acquire(bucket, BOB)
    with pytest.raises(Refused) as refused:
        acquire(bucket)
    text = str(refused.value)
    for part in (BOB.who, "bbbbbbbbbbbb-dirty", " UTC", "s ago", KEY, "--lock-timeout", "lambdactl unlock"):
        assert part in text


def test_a_lock_that_is_not_ours_to_read_is_respected_until_it_expires(bucket: Cloud) -> None:
    s3(bucket).put_object(Bucket=SITE.bucket, Key=KEY, Body=b'["?"')
    with pytest.raises(Refused, match="somebody unknown"):
        acquire(bucket)
    with behind(bucket, EXPIRED) as later:
        assert acquire(later).held()


def test_without_a_bucket_it_is_pending_until_taken(cloud: Cloud, clock: Clock) -> None:
    with acquire(cloud, timing=clock.timing()) as lease:
        assert (lease.pending, lease.held(), lease.lost()) == (True, False, False)
        lease.take()
        assert lease.pending
        s3(cloud).create_bucket(Bucket=SITE.bucket)
        lease.take()
        assert (lease.pending, lease.held(), lease.lost()) == (False, True, False)
        with pytest.raises(Refused, match="ann@laptop"):
            acquire(cloud, BOB)
    assert not there(cloud)


def test_pending_twice_one_gets_it(cloud: Cloud) -> None:
    first, second = acquire(cloud), acquire(cloud, BOB)
    s3(cloud).create_bucket(Bucket=SITE.bucket)
    first.take()
    with pytest.raises(Refused, match="ann@laptop"):
        second.take()


def test_waiting_ends_when_the_other_releases(bucket: Cloud, clock: Clock) -> None:
    other = acquire(bucket, BOB)
    timing = replace(clock.timing(wait=60), sleep=lambda seconds: other.release())
    assert acquire(bucket, timing=timing).held()
    assert [each.who for each in clock.waited_for] == [BOB.who]


def test_waiting_has_an_end(bucket: Cloud, clock: Clock) -> None:
    acquire(bucket, BOB)
    with pytest.raises(Refused, match="under way"):
        acquire(bucket, timing=clock.timing(wait=10))
    assert clock.now == 1010.0
    assert len(clock.waited_for) == 1


def test_waiting_ends_with_the_time_limit_of_the_whole(bucket: Cloud, clock: Clock) -> None:
    acquire(bucket, BOB)
    aws = Aws(endpoint=bucket.endpoint, sleep=clock.sleep, clock=lambda: clock.now, time_limit=10)
    with pytest.raises(TimeLimit, match="the time limit of 10 s is over"):
        Lease.acquire(aws, SITE, ANN, clock.timing(wait=600))
    assert clock.now <= 1010.0
    assert content(bucket)["owner"] == BOB.who


# -- expiry and takeover ----------------------------------------------------------------------------


def test_an_expired_lock_is_taken_over_and_its_holder_has_lost(any_bucket: Cloud) -> None:
    old = acquire(any_bucket, BOB)
    with behind(any_bucket, EXPIRED) as later:
        new = acquire(later)
    assert new.held()
    assert content(any_bucket)["owner"] == ANN.who
    assert not old.renew()
    assert (old.held(), old.lost()) == (False, True)
    old.release()
    assert content(any_bucket)["owner"] == ANN.who
    assert new.renew()


def test_one_that_is_just_renewed_is_not_expired(bucket: Cloud) -> None:
    acquire(bucket, BOB)
    with behind(bucket, s3_time(lambda: EXPIRE_SECONDS / 2)) as later, pytest.raises(Refused):
        acquire(later)


def test_an_expired_lock_has_one_heir(any_bucket: Cloud) -> None:
    acquire(any_bucket, BOB)

    def his_is_old(request: Request, following: Next) -> Response:
        """The heir's own lock is as young as the test, and must look so."""
        answer = following(request)
        return EXPIRED(request, lambda _: answer) if BOB.who.encode() in answer.body else answer

    with behind(any_bucket, his_is_old) as later:
        got = race(12, lambda _: acquire(later))
    assert sum(isinstance(each, Lease) for each in got) == 1


WRONG_CLOCK = """
import datetime, sys, time
shift = float(sys.argv[2])
real = time.time
time.time = lambda: real() + shift
class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=shift)
datetime.datetime = Wrong
from lambdactl.author import Author
from lambdactl.aws import Aws, Endpoint
from lambdactl.errors import Refused
from lambdactl.lease import Lease
from tests.support.cloud import ACCOUNT, REGION, SITE
aws = Aws(endpoint=Endpoint(url=sys.argv[1], region=REGION, access_key=ACCOUNT, secret_key="made-up"))
try:
    lease = Lease.acquire(aws, SITE, Author(who="wrong"))
    print("held" if lease.held() and lease.renew() else "not held", flush=True)
except Refused as error:
    print("refused", flush=True)
"""


@pytest.mark.parametrize("shift", [-3600, 3600])
def test_the_machines_clock_does_not_matter(cloud: Cloud, shift: int) -> None:
    """In a process whose every clock is an hour wrong: what it decides, and how others see what it holds."""
    s3(cloud).create_bucket(Bucket=SITE.bucket)
    acquire(cloud, BOB)
    assert other_process(cloud, WRONG_CLOCK, str(shift)) == "refused"
    with behind(cloud, EXPIRED) as later:
        assert other_process(later, WRONG_CLOCK, str(shift)) == "held"
    found = current(aws_of(cloud), SITE)
    assert found is not None
    assert (found.who, found.expired) == ("wrong", False)
    assert abs((found.seen - found.since).total_seconds()) < 60 + EXPIRE_SECONDS


def other_process(cloud: Cloud, code: str, *argv: str) -> str:
    command = [sys.executable, "-c", code, cloud.url, *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


# -- holding it -------------------------------------------------------------------------------------


def test_renewals_keep_it_and_each_is_a_new_content(bucket: Cloud, clock: Clock) -> None:
    lease = acquire(bucket, timing=clock.timing())
    for counter in (2, 3, 4):
        clock.now += HOLD_SECONDS - 1
        assert lease.renew()
        assert lease.held()
        assert content(bucket)["counter"] == counter
    assert content(bucket).keys() == {"version", "owner", "commit", "nonce", "counter", "since"}


def test_without_a_renewal_in_time_it_is_lost_though_nobody_took_it(bucket: Cloud, clock: Clock) -> None:
    lease = acquire(bucket, timing=clock.timing())
    clock.now += HOLD_SECONDS - 0.1
    assert lease.held()
    clock.now += 0.2
    assert (lease.held(), lease.lost()) == (False, True)
    assert not lease.renew()  # a late one does not bring it back
    assert lease.lost()


def test_a_holder_gives_up_before_others_may_take_over() -> None:
    assert HOLD_SECONDS < EXPIRE_SECONDS


def test_a_renewal_that_fails_may_be_made_good_until_the_time_is_over(bucket: Cloud, clock: Clock) -> None:
    down = threading.Event()

    def gate(request: Request, following: Next) -> Response:
        if down.is_set():  # an answer that botocore does not repeat
            return Response(status=400, headers=(("Content-Type", "application/xml"),))
        return following(request)

    with behind(bucket, gate) as cut:
        lease = acquire(cut, timing=clock.timing())
        down.set()
        clock.now += 20
        assert not lease.renew()
        assert lease.held()
        down.clear()
        clock.now += 20
        assert lease.renew()
        down.set()
        clock.now += HOLD_SECONDS
        assert not lease.renew()
        assert lease.lost()


def test_one_that_was_removed_by_hand_is_lost_and_not_made_again(bucket: Cloud) -> None:
    lease = acquire(bucket)
    removed = unlock(aws_of(bucket), SITE)
    assert removed is not None
    assert removed.who == ANN.who
    assert not lease.renew()
    assert lease.lost()
    assert not there(bucket)


def test_the_thread_renews_and_ends_with_the_lease(bucket: Cloud) -> None:
    with acquire(bucket, timing=Timing(every=0.05)) as lease:
        until(lambda: int(str(content(bucket)["counter"])) >= 3)
        assert lease.held()
    until(lambda: "lease" not in {thread.name for thread in threading.enumerate()})
    assert not lease.held()
    assert not there(bucket)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


# -- answers that are lost --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 400])
def test_a_lost_answer_to_our_own_write_is_no_refusal(bucket: Cloud, status: int) -> None:
    """botocore's retry then meets our own lock; or there is no retry, and we look."""
    with behind(bucket, lost_answers("PutObject", status)) as cut:
        assert acquire(cut).held()
    with pytest.raises(Refused, match=ANN.who):
        acquire(bucket, BOB)


@pytest.mark.parametrize("status", [500, 400])
def test_a_lost_answer_to_a_renewal_is_a_renewal(bucket: Cloud, clock: Clock, status: int) -> None:
    layers: list[Layer] = []
    with behind(bucket, lambda request, following: chain(layers, following)(request)) as cut:
        lease = acquire(cut, timing=clock.timing())
        layers.append(lost_answers("PutObject", status))
        clock.now += HOLD_SECONDS - 1
        assert lease.renew()
        clock.now += HOLD_SECONDS - 1
        assert lease.held()


def test_a_lost_answer_to_a_takeover_is_no_refusal(bucket: Cloud) -> None:
    acquire(bucket, BOB)
    lost = lost_answers("PutObject")
    with behind(bucket, lambda request, following: EXPIRED(request, lambda r: lost(r, following))) as cut:
        assert acquire(cut).held()
    assert content(bucket)["owner"] == ANN.who


def test_a_renewal_that_nobody_could_confirm_is_recognised_by_the_next(bucket: Cloud, clock: Clock) -> None:
    """Written, its answer lost, and the re-reading failed too: the next one finds our own nonce."""
    down = threading.Event()

    def gate(request: Request, following: Next) -> Response:
        answer = following(request)
        return Response(status=400) if down.is_set() else answer

    with behind(bucket, gate) as cut:
        lease = acquire(cut, timing=clock.timing())
        down.set()
        assert not lease.renew()
        assert content(bucket)["counter"] == 2
        down.clear()
        assert not lease.renew()  # met the unconfirmed one, and knows it now
        assert lease.held()
        assert lease.renew()
        assert lease.held()


def test_a_lost_answer_to_the_release_is_no_error(any_bucket: Cloud) -> None:
    with behind(any_bucket, lost_answers("DeleteObject")) as cut, acquire(cut):
        pass
    assert not there(any_bucket)


def test_a_write_that_is_refused_outright_is_an_error(bucket: Cloud) -> None:
    def denied(request: Request, following: Next) -> Response:
        if identify(request)[1] == "PutObject":
            body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
            return Response(status=403, headers=(("Content-Type", "application/xml"),), body=body)
        return following(request)

    with behind(bucket, denied) as cut, pytest.raises(AwsError, match="AccessDenied"):
        acquire(cut)


# -- letting it go ----------------------------------------------------------------------------------


def test_it_is_released_at_the_end_and_when_interrupted(any_bucket: Cloud) -> None:
    with acquire(any_bucket):
        assert there(any_bucket)
    assert not there(any_bucket)

    with pytest.raises(KeyboardInterrupt), acquire(any_bucket):
        raise KeyboardInterrupt
    assert not there(any_bucket)
    assert acquire(any_bucket, BOB).held()


def test_an_interruption_while_it_is_taken_leaves_none(bucket: Cloud, clock: Clock) -> None:
    other = acquire(bucket, BOB)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        acquire(bucket, timing=replace(clock.timing(wait=60), sleep=interrupted))
    assert content(bucket)["owner"] == BOB.who
    other.release()
    assert not there(bucket)

    def just_written(keep: Callable[[], None]) -> None:
        assert there(bucket)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        acquire(bucket, timing=replace(clock.timing(), start=just_written))
    assert not there(bucket)


def test_a_release_meets_a_renewal_that_is_under_way(bucket: Cloud) -> None:
    lease_box: list[Lease] = []

    def renewal_between(request: Request, following: Next) -> Response:
        if identify(request)[1] == "DeleteObject" and lease_box:
            lease_box.pop().renew()
        return following(request)

    with behind(bucket, renewal_between) as cut:
        lease = acquire(cut)
        lease_box.append(lease)
        lease.release()
    assert not lease_box
    assert not there(bucket)


@pytest.mark.parametrize("by_hand", [True, False])
def test_who_took_over_while_we_look_keeps_it(bucket: Cloud, by_hand: bool) -> None:
    """Read as ours (or as the one to remove), and another's by the time of the delete."""
    takeover = json.dumps({"owner": BOB.who, "nonce": "his"})

    def taken_between(request: Request, following: Next) -> Response:
        if identify(request) == ("s3", "DeleteObject"):
            s3(bucket).put_object(Bucket=SITE.bucket, Key=KEY, Body=takeover.encode())
        return following(request)

    with behind(bucket, taken_between) as cut:
        lease = acquire(cut)
        if by_hand:
            with pytest.raises(Refused, match="changed hands"):
                unlock(aws_of(cut), SITE, lease.nonce)
        else:
            lease.release()
    assert content(bucket)["owner"] == BOB.who


HOLD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the test run inherits
from lambdactl.author import Author
from lambdactl.aws import Aws, Endpoint
from lambdactl.lease import Lease
from tests.support.cloud import ACCOUNT, REGION, SITE
aws = Aws(endpoint=Endpoint(url=sys.argv[1], region=REGION, access_key=ACCOUNT, secret_key="made-up"))
with Lease.acquire(aws, SITE, Author(who="killed")):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_holder_is_waited_for_and_then_inherited(bucket: Cloud) -> None:
    begin = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", HOLD, bucket.url], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    child.stdout.close()
    with pytest.raises(Refused, match="killed"):
        acquire(bucket)
    clock = Clock()
    passed = s3_time(lambda: clock.now - 1000)
    with behind(bucket, passed) as later:
        lease = acquire(later, timing=clock.timing(wait=300))
    waited = clock.now - 1000
    assert waited < EXPIRE_SECONDS + 10
    assert waited + time.monotonic() - begin > EXPIRE_SECONDS  # the emulator's own time goes on as well
    assert [each.who for each in clock.waited_for] == ["killed"]
    lease.release()


def test_a_holder_that_is_interrupted_releases(bucket: Cloud) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, bucket.url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    child.send_signal(signal.SIGINT)
    child.wait(60)
    child.stdout.close()
    assert not there(bucket)


# -- by hand ----------------------------------------------------------------------------------------


def test_unlock_removes_only_what_was_shown(any_bucket: Cloud) -> None:
    aws: Aws = aws_of(any_bucket)
    assert unlock(aws, SITE) is None
    lease = acquire(any_bucket)
    shown = current(aws, SITE)
    assert shown is not None
    assert lease.renew()  # the same holder, another content
    lease.release()
    acquire(any_bucket, BOB)
    with pytest.raises(Refused, match="changed hands"):
        unlock(aws, SITE, shown.nonce)
    assert content(any_bucket)["owner"] == BOB.who
    theirs = current(aws, SITE)
    assert theirs is not None
    removed = unlock(aws, SITE, theirs.nonce)
    assert removed is not None
    assert removed.who == BOB.who
    assert not there(any_bucket)


def test_without_a_bucket_there_is_nothing_to_unlock(cloud: Cloud) -> None:
    assert unlock(aws_of(cloud), SITE) is None
    assert current(aws_of(cloud), SITE) is None


def test_a_naive_time_and_nonsense_in_the_lock_are_read(bucket: Cloud) -> None:
    document = {"owner": ["x"], "since": "2026-11-25T10:00:00", "commit": None, "nonce": 7}
    s3(bucket).put_object(Bucket=SITE.bucket, Key=KEY, Body=json.dumps(document).encode())
    found = current(aws_of(bucket), SITE)
    assert found is not None
    assert "since 10:00:00 UTC" in str(found)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"since": "0001-01-01T00:00:00+23:59"}',
        b'{"since": "9999-12-31T23:59:59-23:59"}',
        b'{"owner": {"a": 1}, "nonce": [1]}',
        b'{"owner": "' + b"x" * 100_000 + b'"}',
    ],
)
def test_whatever_lies_in_place_of_the_lock_can_be_told_and_removed(bucket: Cloud, content: bytes) -> None:
    bucket.client("s3").put_object(Bucket=SITE.bucket, Key=SITE.apply_lock_key, Body=content)
    with pytest.raises(Refused, match="another apply") as caught:
        Lease.acquire(bucket.aws(), SITE, Author(who="ann"))
    assert len(str(caught.value)) < 1000
    found = current(bucket.aws(), SITE)
    assert found is not None
    unlock(bucket.aws(), SITE, found.nonce)
    assert current(bucket.aws(), SITE) is None
