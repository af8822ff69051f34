"""Starting a deployed function: what is asked of AWS, and what is refused before. No AWS here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lambdactl.errors import RunError
from lambdactl.runners.lambda_ import launch
from lambdactl.runners.limits import check_event


class Recorder:
    def __init__(self, status: int = 202) -> None:
        self.status = status
        self.calls: list[tuple[str, str, Mapping[str, Any]]] = []

    def patient(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        self.calls.append((service, operation, parameters))
        return {"StatusCode": self.status, "ResponseMetadata": {"RequestId": "r-1"}}


def test_an_asynchronous_call() -> None:
    aws = Recorder()
    assert launch(aws, "demo-main-test", b"{}") == "r-1"
    expected = {"FunctionName": "demo-main-test", "InvocationType": "Event", "Payload": b"{}"}
    assert aws.calls == [("lambda", "Invoke", expected)]


def test_a_megabyte_is_sent_and_a_byte_more_is_not() -> None:
    aws = Recorder()
    launch(aws, "demo-main-test", b" " * 1_048_576)
    with pytest.raises(RunError, match="1,048,577 bytes"):
        launch(aws, "demo-main-test", b" " * 1_048_577)
    assert len(aws.calls) == 1


@pytest.mark.row("request-size")
@pytest.mark.parametrize(("most", "asynchronous"), [(1_048_576, True), (6_291_456, False)])
def test_the_limit_of_an_event(most: int, asynchronous: bool) -> None:
    check_event(b" " * most, asynchronous=asynchronous)
    with pytest.raises(
        RunError, match=f"RequestTooLargeException: Request must be smaller than {most} bytes"
    ):
        check_event(b" " * (most + 1), asynchronous=asynchronous)


def test_an_answer_that_is_no_acceptance() -> None:
    with pytest.raises(RunError, match="HTTP 200"):
        launch(Recorder(200), "demo-main-test", b"{}")
