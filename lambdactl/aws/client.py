"""The one door to AWS: session, clients, reads, `perform`, patience, error translation.

The only module that sees botocore, and the only one that changes AWS. Importing it does not import
boto3: that costs more than everything else lambdactl does at start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, TypeVar

from lambdactl.aws.patience import WAIT_SECONDS, patience
from lambdactl.aws.translate import translated
from lambdactl.engine import Call, ImageRef, Wait
from lambdactl.errors import AwsError, NotFound, Refused

T = TypeVar("T")
R = TypeVar("R")

READERS = 16  # concurrent reads; also the size of the connection pool
POLL_SECONDS = 1.0


# To a chosen endpoint: no proxy of the machine stands between (it would see every secret), and no
# variable changes the address.
_DIRECT: Mapping[str, Any] = {
    "proxies": {},
    "use_fips_endpoint": False,
    "use_dualstack_endpoint": False,
    "s3": {"addressing_style": "path"},
}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of S3, whole. Both times are S3's own: when it was written, and when it was read."""

    content: bytes
    modified: datetime
    etag: str
    answered: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An AWS that is not AWS, whole: address, credentials and all. Nothing of it is left to defaults."""

    url: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)


class Aws:
    """Reads are remembered until `forget` (one plan); `perform` is never."""

    def __init__(
        self,
        *,
        region: str = "",
        endpoint: Endpoint | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region = endpoint.region if endpoint else region
        self._endpoint = endpoint
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._answers: dict[str, Future[Any]] = {}
        self.images: dict[str, str] = {}  # tag -> "<repository>@<digest>"

    # -- where we are ---------------------------------------------------------------------------

    @cached_property
    def session(self) -> Any:
        import boto3

        if self._endpoint:
            return boto3.Session(
                botocore_session=_isolated(),
                aws_access_key_id=self._endpoint.access_key,
                aws_secret_access_key=self._endpoint.secret_key,
                region_name=self._endpoint.region,
            )
        return boto3.Session(region_name=self._region or None)

    @property
    def region(self) -> str:
        region = self.session.region_name
        if not region:
            raise Refused("no AWS region", hint="set `region:` in lambdactl.yaml, or AWS_REGION")
        return str(region)

    @cached_property
    def account(self) -> str:
        return str(self.read("sts", "GetCallerIdentity")["Account"])

    def frozen_credentials(self) -> dict[str, str]:
        """The caller's credentials by the names STS uses, resolved once; for handing on to a run."""
        with translated("credentials"):
            found = self.session.get_credentials()
            if found is None:
                from botocore.exceptions import NoCredentialsError

                raise NoCredentialsError
            frozen = found.get_frozen_credentials()
        return {
            "AccessKeyId": frozen.access_key,
            "SecretAccessKey": frozen.secret_key,
            "SessionToken": frozen.token or "",
        }

    def client(self, service: str) -> Any:
        """One client for each service, made serially: making them in threads is slower."""
        with self._lock:
            if service not in self._clients:
                from botocore.config import Config

                config = Config(
                    retries={"mode": "standard", "total_max_attempts": 8},
                    max_pool_connections=2 * READERS,
                    connect_timeout=10,
                    read_timeout=60,
                    ignore_configured_endpoint_urls=self._endpoint is not None,
                    **(_DIRECT if self._endpoint else {}),
                )
                url = self._endpoint.url if self._endpoint else None
                with translated(f"{service} client"):
                    self._clients[service] = self.session.client(service, config=config, endpoint_url=url)
            return self._clients[service]

    # -- reads ----------------------------------------------------------------------------------

    def read(self, service: str, operation: str, **parameters: Any) -> Any:
        """One call that changes nothing; the same call is made once."""
        return self._once((service, operation, parameters), lambda: self.call(service, operation, parameters))

    def maybe(self, service: str, operation: str, **parameters: Any) -> Any | None:
        """As `read`, but None when what it names does not exist."""
        try:
            return self.read(service, operation, **parameters)
        except NotFound:
            return None

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """The items under `key` of all pages. An answer without `key` is an error, never an empty list."""
        return list(
            self._once(
                (service, operation, parameters), lambda: self._pages(service, operation, key, parameters)
            )
        )

    def maybe_pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any] | None:
        try:
            return self.pages(service, operation, key, **parameters)
        except NotFound:
            return None

    def fresh_pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """As `pages`, but asked anew: for what changes while we look."""
        return self._pages(service, operation, key, parameters)

    def stored(self, bucket: str, key: str, limit: int) -> Stored | None:
        """An object, asked for anew; None when there is none. Of a larger one the first `limit` bytes."""
        parameters = {"Bucket": bucket, "Key": key}
        answer = self.maybe_call("s3", "GetObject", parameters)
        if answer is None:
            return None
        with translated("s3.GetObject", parameters):
            modified = answer["LastModified"]
            return Stored(answer["Body"].read(limit), modified, answer["ETag"], answered(answer) or modified)

    def chunks(self, bucket: str, key: str) -> Iterator[bytes]:
        """An object's content, piece by piece."""
        parameters = {"Bucket": bucket, "Key": key}
        body = self.call("s3", "GetObject", parameters)["Body"]
        with translated("s3.GetObject", parameters):
            yield from body.iter_chunks(1 << 20)

    def forget(self) -> None:
        """What was read is asked anew from here on: a new plan begins."""
        with self._lock:
            self._answers.clear()

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`function` of every item, concurrently, in order."""
        some = list(items)
        if len(some) < 2:
            return [function(item) for item in some]
        with ThreadPoolExecutor(max_workers=min(READERS, len(some)), thread_name_prefix="read") as pool:
            return list(pool.map(function, some))

    def _pages(self, service: str, operation: str, key: str, parameters: Mapping[str, Any]) -> list[Any]:
        client = self.client(service)
        items: list[Any] = []
        with translated(f"{service}.{operation}", parameters):
            for page in client.get_paginator(_snake(operation)).paginate(**parameters):
                if key in page:
                    items.extend(page[key])
                elif "KeyCount" not in page:  # S3 leaves an empty list out, but then counts
                    raise AwsError(
                        f"the answer has no {key}: cut short on its way",
                        code="Truncated",
                        call=f"{service}.{operation}",
                        hint="run the command again",
                    )
        return items

    def _once(self, key: tuple[str, str, Mapping[str, Any]], call: Callable[[], T]) -> T:
        text = repr((key[0], key[1], sorted(key[2].items())))
        with self._lock:
            future = self._answers.get(text)
            mine = future is None
            if future is None:
                future = self._answers[text] = Future()
        if mine:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
        result: T = future.result()
        return result

    def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        """One call, made now and not remembered."""
        client = self.client(service)
        with translated(f"{service}.{operation}", parameters):
            return getattr(client, _snake(operation))(**parameters)

    def maybe_call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any | None:
        """As `call`, but None when what it names does not exist."""
        try:
            return self.call(service, operation, parameters)
        except NotFound:
            return None

    # -- writes ---------------------------------------------------------------------------------

    def perform(self, call: Call) -> None:
        """Make one call of a plan, with the patience that AWS asks for. Never remembered."""
        parameters = self._resolved(call.parameters)
        if call.before:
            self._wait(call.service, call.before)
        begin = self._clock()
        pause = POLL_SECONDS
        while True:
            try:
                self.call(call.service, call.operation, parameters)
                break
            except AwsError as error:
                if error.code in call.tolerate:
                    break
                if self._clock() - begin >= patience(call.operation, error):
                    raise
                self._sleep(pause)
                pause = min(pause * 1.5, 5.0)
        if call.wait:
            self._wait(call.service, call.wait)

    def _resolved(self, value: Any) -> Any:
        """Late references put in: what an image's tag stands for is known once it is pushed."""
        if isinstance(value, ImageRef):
            return self.images[value.tag]
        if isinstance(value, Mapping):
            return {key: self._resolved(each) for key, each in value.items()}
        return value

    def _wait(self, service: str, wait: Wait) -> None:
        begin = self._clock()
        while True:
            answer = self.call(service, wait.operation, wait.parameters)
            states = [_at(answer, path) for path in wait.paths]
            name = f"{service}.{wait.operation}"
            if any(state in wait.failed for state in states):
                why = str(_at(answer, wait.reason) or "no reason given")
                raise AwsError(f"failed after the call: {why}", code="Failed", call=name)
            if not any(state in wait.pending for state in states):
                return
            if self._clock() - begin > WAIT_SECONDS:
                raise AwsError(
                    f"still {'/'.join(map(str, states))} after {WAIT_SECONDS:.0f} s",
                    code="Timeout",
                    call=name,
                )
            self._sleep(POLL_SECONDS)


def answered(answer: Mapping[str, Any]) -> datetime | None:
    """When AWS gave this answer, by its own clock; None when the answer does not say."""
    try:
        date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return None
    return date.replace(tzinfo=UTC)  # HTTP's dates are


def _isolated() -> Any:
    """A botocore session that reads no profile and no file of this machine."""
    import os

    from botocore.session import Session

    nowhere = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return Session(session_vars=nowhere)


def _at(answer: Any, path: str) -> Any:
    for part in path.split("."):
        answer = answer.get(part) if isinstance(answer, Mapping) else None
    return answer


def _snake(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))
