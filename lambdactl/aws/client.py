"""The one door to AWS: calls, paced and repeated where that helps; reads of many pages; `perform`.

The only module that changes AWS. Importing it does not import botocore: that costs more than everything
else lambdactl does at start.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, TypeVar

from lambdactl.aws.answer import Answer, cut_short, whole
from lambdactl.aws.pace import Pace, family
from lambdactl.aws.patience import (
    ROLE_CHANGES,
    THROTTLED_SECONDS,
    UNSURE_TRIES,
    WAIT_SECONDS,
    patience,
    throttled,
    unsure,
)
from lambdactl.aws.session import Clients, Endpoint
from lambdactl.aws.translate import about, translated
from lambdactl.deadline import Deadline
from lambdactl.engine import Call, ImageRef, Wait
from lambdactl.errors import AwsError, NotFound

T = TypeVar("T")
R = TypeVar("R")

READERS = 16  # concurrent reads
POLL_SECONDS = 1.0
LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of S3, whole. Both times are S3's own: when it was written, and when it was read."""

    content: bytes
    modified: datetime
    etag: str
    answered: datetime


class Aws:
    """`time_limit` (seconds from now, None for none) bounds all that is done through it; `deadline` lets
    others keep to it."""

    def __init__(
        self,
        *,
        region: str = "",
        endpoint: Endpoint | None = None,
        time_limit: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = Clients(region, endpoint)
        self._clock = clock
        self._sleep_for = sleep
        self._pace = Pace(clock, self._sleep)
        self._young: set[str] = set()  # roles that were made or changed here
        self.deadline = Deadline(time_limit, clock)
        self.images: dict[str, str] = {}  # tag -> "<repository>@<digest>"

    # -- where we are ---------------------------------------------------------------------------

    @property
    def region(self) -> str:
        return self._clients.region

    @cached_property
    def account(self) -> str:
        return str(self.identity["Account"])

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Who calls: `Account`, `Arn`. Asked once."""
        answer: Mapping[str, Any] = self.call("sts", "GetCallerIdentity", {})
        return answer

    def frozen_credentials(self) -> dict[str, str]:
        """The caller's credentials by the names STS uses, resolved once; for handing on to a run."""
        return self._clients.frozen_credentials()

    def client(self, service: str) -> Any:
        return self._clients(service)

    def prepare(self, *services: str) -> None:
        """Read all that is read from files for these services now: beside work that computes, each file
        would wait for its turn."""
        for service in services:
            self._clients.prepare(service)

    # -- calls ----------------------------------------------------------------------------------

    def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        """One call, made now. Throttles and broken answers are repeated for a bounded time.

        So a call that changes something may have been made twice: what then says "exists already" may
        be our own work (`reconcile` reads it again and compares).
        """
        return self._call(service, operation, parameters, self._clients(service))

    def patient(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        """As `call`, with the patience that AWS asks for: an answer of `NOT_YET` is waited out."""
        begin, pause = self._clock(), POLL_SECONDS
        while True:
            try:
                return self.call(service, operation, parameters)
            except AwsError as error:
                young = bool(_roles(parameters) & self._young)
                if self._clock() - begin >= patience(operation, error, young=young):
                    raise
                self._sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)

    def maybe_call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any | None:
        """As `call`, but None when what it names does not exist."""
        try:
            return self.call(service, operation, parameters)
        except NotFound:
            return None

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """The items under `key` of all pages. An answer without `key` is an error, never an empty list."""
        client = self._clients(service)

        def page(**given: Any) -> Any:
            answer = self._call(service, operation, given, client, must_have=key)
            return dict(answer)

        items: list[Any] = []
        for answer in self._clients.paginator(service, operation, page).paginate(**parameters):
            items.extend(answer.get(key, ()))
        return items

    def stored(self, bucket: str, key: str, limit: int) -> Stored | None:
        """An object; None when there is none. Of a larger one the first `limit` bytes."""
        parameters = {"Bucket": bucket, "Key": key}
        client = self._clients("s3")

        def attempt() -> Stored:
            with translated("s3.GetObject", parameters):
                answer = whole(client.get_object(**parameters), "s3", "GetObject")
                modified, content = answer["LastModified"], answer["Body"].read(limit)
                if len(content) < min(limit, answer["ContentLength"]):  # botocore lets that pass in silence
                    raise cut_short("s3.GetObject", "its whole body")
                return Stored(content, modified, answer["ETag"], answered(answer) or modified)

        try:
            return self._repeated(family("s3", "GetObject"), attempt)
        except NotFound:
            return None

    def chunks(self, bucket: str, key: str) -> Iterator[bytes]:
        """An object's content, piece by piece."""
        parameters = {"Bucket": bucket, "Key": key}
        body = self.call("s3", "GetObject", parameters)["Body"]
        with translated("s3.GetObject", parameters):
            yield from body.iter_chunks(1 << 20)

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`function` of every item, concurrently, in order."""
        some = list(items)
        if len(some) < 2:
            return [function(item) for item in some]
        made: list[R] = [None] * len(some)  # type: ignore[list-item]
        left = iter(range(len(some)))  # shared by all threads: a future for each costs more than some take

        def work() -> None:
            try:
                for index in left:
                    made[index] = function(some[index])
            finally:
                _exhaust(left)

        threads = min(READERS, len(some))
        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="read") as pool:
            try:
                for done in [pool.submit(work) for _ in range(threads)]:
                    done.result()
            finally:
                _exhaust(left)
        return made

    def _call(
        self,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        client: Any,
        *,
        must_have: str = "",
    ) -> Answer:
        def attempt() -> Answer:
            with translated(f"{service}.{operation}", parameters):
                answer = whole(getattr(client, _snake(operation))(**parameters), service, operation)
                if must_have and must_have not in answer and "KeyCount" not in answer:
                    answer[must_have]  # S3 alone leaves an empty list out, but then counts
                return answer

        return self._repeated(family(service, operation), attempt)

    def _repeated(self, name: str, attempt: Callable[[], T]) -> T:
        """What `attempt` answers in the end, when its turn in this family has come."""
        begin, throttles, unsures = self._clock(), 0, 0
        while True:
            self._pace.take_turn(name)
            try:
                answer = attempt()
            except AwsError as error:
                if throttled(error) and self._clock() - begin < THROTTLED_SECONDS:
                    self._pace.throttled(name)
                    throttles += 1
                elif unsure(error) and unsures + 1 < UNSURE_TRIES:
                    unsures += 1
                else:
                    raise
                # Spread, or all threads come back at the same moment.
                pause = min(0.2 * 2 ** (throttles + unsures), LONGEST_PAUSE)
                self._sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            else:
                self._pace.succeeded(name)
                return answer

    def _sleep(self, seconds: float) -> None:
        """All waiting goes through here, so that the time limit holds wherever it ends. What must still be
        said then (the lock's end) is no waiting."""
        self.deadline.check(seconds)
        self._sleep_for(seconds)

    # -- writes ---------------------------------------------------------------------------------

    def perform(self, call: Call) -> None:
        """Make one call of a plan, with the patience that AWS asks for."""
        if call.before:
            self.settle(call.service, call.before)
        self._made(call)
        if call.wait:
            try:
                self.settle(call.service, call.wait)
            except AwsError as error:
                if call.undo is None or error.code not in call.redo:
                    raise
                self.perform(call.undo)
                self._made(call)
                self.settle(call.service, call.wait)

    def settle(self, service: str, wait: Wait) -> None:
        """Poll until it is so. Raises AwsError when it failed, with the reason's own code."""
        name, of, begin = f"{service}.{wait.operation}", about(wait.parameters), self._clock()
        while True:
            answer = self.call(service, wait.operation, wait.parameters)
            states = [_at(answer, path) for path in wait.paths]
            if any(state in wait.failed for state in states):
                why = _first(answer, wait.reasons) or "no reason given"
                code = _first(answer, wait.codes) or "Failed"
                raise AwsError(f"failed after the call: {why}", code=code, call=name, about=of)
            if not any(state in wait.pending for state in states):
                return
            if self._clock() - begin > WAIT_SECONDS:
                still = "/".join(map(str, states))
                text = f"still {still} after {WAIT_SECONDS:.0f} s"
                raise AwsError(text, code="Timeout", call=name, about=of)
            self._sleep(POLL_SECONDS)

    def _made(self, call: Call) -> None:
        parameters = self._resolved(call.parameters)
        try:
            self.patient(call.service, call.operation, parameters)
        except AwsError as error:
            if error.code not in call.tolerate:
                raise
        finally:
            if call.operation in ROLE_CHANGES:  # whatever was answered: it may be done all the same
                self._young |= _roles(parameters)

    def _resolved(self, value: Any) -> Any:
        """Late references put in: what an image's tag stands for is known once it is pushed."""
        if isinstance(value, ImageRef):
            return self.images[value.tag]
        if isinstance(value, Mapping):
            return {key: self._resolved(each) for key, each in value.items()}
        return value


def answered(answer: Mapping[str, Any]) -> datetime | None:
    """When AWS gave this answer, by its own clock; None when the answer does not say."""
    try:
        date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
    except (KeyError, ValueError):
        return None
    return date.replace(tzinfo=UTC)  # HTTP's dates are


def _roles(parameters: Mapping[str, Any]) -> set[str]:
    """The names of the roles that a call is about."""
    arns = (parameters.get("Role"), _at(parameters, "Target.RoleArn"))
    named = {str(arn).rpartition("/")[2] for arn in arns if arn}
    return named | ({str(parameters["RoleName"])} if "RoleName" in parameters else set())


def _at(answer: Any, path: str) -> Any:
    for part in path.split("."):
        answer = answer.get(part) if isinstance(answer, Mapping) else None
    return answer


def _first(answer: Any, paths: Iterable[str]) -> str:
    return next((str(found) for path in paths if (found := _at(answer, path))), "")


def _snake(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


def _exhaust(left: Iterator[int]) -> None:
    """Nothing more is begun: one has failed, or somebody pressed Ctrl-C."""
    deque(left, maxlen=0)
