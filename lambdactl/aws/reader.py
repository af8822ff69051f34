"""Reads for one plan, each made once however many ask. Changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from lambdactl.aws.client import Aws, Stored
from lambdactl.errors import NotFound

T = TypeVar("T")
R = TypeVar("R")


class Reader:
    """AWS as it was when this was first asked: two kinds that need the same answer pay for it once."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._lock = threading.Lock()
        self._answers: dict[str, Future[Any]] = {}

    def read(self, service: str, operation: str, **parameters: Any) -> Any:
        return self._once(
            (service, operation, parameters), lambda: self._aws.call(service, operation, parameters)
        )

    def maybe(self, service: str, operation: str, **parameters: Any) -> Any | None:
        """As `read`, but None when what it names does not exist."""
        try:
            return self.read(service, operation, **parameters)
        except NotFound:
            return None

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """The items under `key` of all pages."""
        made: list[Any] = self._once(
            (service, operation, parameters), lambda: self._aws.pages(service, operation, key, **parameters)
        )
        return list(made)

    def maybe_pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any] | None:
        try:
            return self.pages(service, operation, key, **parameters)
        except NotFound:
            return None

    def stored(self, bucket: str, key: str, limit: int) -> Stored | None:
        return self._aws.stored(bucket, key, limit)

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return self._aws.each(function, items)

    def together(self, *asked: Callable[[], Any]) -> list[Any]:
        """What each of these answers, asked concurrently."""
        return self._aws.each(lambda ask: ask(), asked)

    def _once(self, key: tuple[str, str, Mapping[str, Any]], call: Callable[[], T]) -> T:
        text = repr((key[0], key[1], sorted(key[2].items())))
        with self._lock:
            future = self._answers.get(text)
            mine = future is None
            if future is None:
                future = self._answers[text] = Future()
        if mine:
            try:
                self._aws.deadline.check()
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
        result: T = future.result()
        return result
