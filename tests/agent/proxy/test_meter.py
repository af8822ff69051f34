"""What is counted, from both providers' answers in every form, and how a limit holds."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable
from http.client import IncompleteRead
from typing import Any

import pytest

from agent.prices import Price, find
from agent.proxy.dialects import Told
from agent.proxy.meter import Exceeded, Limits, Meter
from agent.result import Usage
from tests.agent.proxy.upstream import PRICES, ask, provider, proxied, reply, stream

MESSAGE: dict[str, Any] = {
    "type": "message", "model": "cheap-20260101",
    "usage": {
        "input_tokens": 1000, "output_tokens": 2000, "cache_read_input_tokens": 10_000,
        "cache_creation_input_tokens": 500, "cache_creation": {"ephemeral_1h_input_tokens": 100},
    },
    "content": [{"type": "tool_use", "input": {"usage": {"input_tokens": 7}}}],
}  # fmt: skip
STARTED = {"type": "message_start", "message": {**MESSAGE, "usage": {**MESSAGE["usage"], "output_tokens": 1}}}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2000}}
RESPONSE = {
    "object": "response", "model": "cheap",
    "usage": {
        "input_tokens": 11_500, "output_tokens": 2000,
        "input_tokens_details": {"cached_tokens": 10_000, "cache_write_tokens": 500},
        "output_tokens_details": {"reasoning_tokens": 1500},
    },
}  # fmt: skip
USED = Usage(input_tokens=1000, output_tokens=2000, cache_read_tokens=10_000, cache_write_tokens=500)
COST = (1000 * 1 + 2000 * 10 + 10_000 * 0.1 + 500 * 2) / 1e6
HOUR = 0.6 * 100 * 2 / 1e6


def event(document: Any) -> bytes:
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()


def sse(*documents: Any) -> bytes:
    return b"".join(map(event, documents))


TEXT = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 'my "usage": {}'}}
COMPLETED = {"type": "response.completed", "response": RESPONSE}
BYTE_BY_BYTE = [bytes([byte]) for byte in sse(STARTED, TEXT, DELTA)]


@pytest.mark.parametrize(
    ("name", "path", "answer", "cost"),
    [
        ("anthropic", "/v1/messages", reply(body=json.dumps(MESSAGE).encode()), COST + HOUR),
        ("anthropic", "/v1/messages", stream(sse(STARTED, TEXT, DELTA)), COST + HOUR),
        ("anthropic", "/v1/messages", stream(*BYTE_BY_BYTE), COST + HOUR),
        ("openai", "/v1/responses", reply(body=json.dumps(RESPONSE).encode()), COST),
        ("openai", "/v1/responses", stream(sse({"type": "response.created"}, COMPLETED)), COST),
        (
            "openai",
            "/v1/responses",
            stream(sse({"type": "response.incomplete", "response": RESPONSE})),
            COST,
        ),
        (
            "anthropic",
            "/v1/messages",
            reply(body=gzip.compress(json.dumps(MESSAGE).encode()), content_encoding="gzip"),
            COST + HOUR,
        ),
        (
            "anthropic",
            "/v1/messages",
            reply(body=zlib.compress(json.dumps(MESSAGE).encode()), content_encoding="deflate"),
            COST + HOUR,
        ),
    ],
)
def test_usage_is_read_from_every_form_of_answer(
    name: str, path: str, answer: Callable[[Any], None], cost: float
) -> None:
    with provider(answer) as upstream, proxied(upstream.url, name) as proxy:
        got = ask(proxy, path=path)
        assert got.status == 200
        assert proxy.meter.usage == USED
        assert proxy.meter.cost == pytest.approx(cost)
        assert proxy.meter.notes() == []


def test_what_is_free_is_not_counted() -> None:
    with provider(reply(body=b'{"input_tokens": 5}')) as upstream, proxied(upstream.url) as proxy:
        assert ask(proxy, path="/v1/messages/count_tokens").status == 200
        assert ask(proxy, "GET", "/v1/models", None).status == 200
        assert proxy.meter.usage == Usage()
        assert proxy.meter.estimated == 0


def message(usage: Any) -> bytes:
    return json.dumps({**MESSAGE, "usage": usage}).encode()


@pytest.mark.parametrize("usage", [{"output_tokens": 10**400}, {"output_tokens": float("nan")}])
def test_a_number_that_is_none_holds_nobody_up(usage: Any) -> None:
    """Near the limit one waits for the other: whose answer could not be counted must be over, too."""
    with provider(reply(body=message(usage))) as upstream, proxied(upstream.url, max_tokens=10_000) as proxy:
        assert ask(proxy, body=b"x" * 8000).status == 200
        assert ask(proxy, body=b"x" * 8000).status == 200
    assert proxy.meter.estimated == 2


@pytest.mark.parametrize("usage", [{"input_tokens": 1000.0, "output_tokens": 2000.0}])
def test_numbers_may_be_spelled_as_floats(usage: Any) -> None:
    with provider(reply(body=message(usage))) as upstream, proxied(upstream.url) as proxy:
        ask(proxy)
    assert proxy.meter.usage == Usage(input_tokens=1000, output_tokens=2000)
    assert proxy.meter.estimated == 0


@pytest.mark.parametrize(
    ("answer", "least"),
    [
        (stream(sse(STARTED, *[TEXT] * 100), whole=False), 100),  # it broke off
        (stream(sse(*[TEXT] * 100)), 100),  # it never told
        (reply(body=b"x" * 4000), 1000),
        (reply(body=b"x" * 4000, content_encoding="br"), 1000),
        (reply(body=b"x" * 4000, content_encoding="gzip"), 1),  # it is none
        (reply(body=b'{"type": "message", "usage": "much"}'), 1),
        (reply(body=b"[" * 100_000), 20_000),
        (reply(body=message({"input_tokens": 0, "output_tokens": 0})), 1),  # nobody answers for nothing
        (reply(body=message({"input_tokens": -5, "output_tokens": -5})), 1),
        (reply(body=message({"input_tokens": "9", "output_tokens": [9]})), 1),
        (reply(body=message({"input_tokens": 10**400, "output_tokens": 1e300})), 1),
        (stream(sse({**DELTA, "usage": {"output_tokens": 0}})), 1),
    ],
)
def test_what_is_not_told_is_estimated_rather_too_high(answer: Callable[[Any], None], least: int) -> None:
    broken = contextlib.suppress(IncompleteRead)
    with provider(answer) as upstream, proxied(upstream.url) as proxy, broken:
        ask(proxy, body=b"x" * 8000)
    assert proxy.meter.estimated == 1
    assert proxy.meter.usage.output_tokens >= least
    assert proxy.meter.usage.input_tokens >= 1000
    assert "estimated: 1" in proxy.meter.notes()[0]


def test_an_answer_that_is_told_has_been_counted() -> None:
    """Who has the last byte may ask at once: the limit must know."""
    answer = reply(body=json.dumps(MESSAGE).encode())
    with provider(answer) as upstream, proxied(upstream.url, max_tokens=13_500) as proxy:
        assert ask(proxy).status == 200
        got = ask(proxy, body=b"x" * 3_000_000)
        assert got.status == 400
        assert "spent 13,500 of 13,500" in json.loads(got.body)["error"]["message"]
        assert proxy.meter.refused_at is not None
        assert len(upstream.seen) == 1


def test_a_limit_in_dollars() -> None:
    answer, limit = reply(body=json.dumps(RESPONSE).encode()), COST * 2.5
    with provider(answer) as upstream, proxied(upstream.url, "openai", max_cost_usd=limit) as proxy:
        assert [ask(proxy, path="/v1/responses").status for _ in range(5)] == [200, 200, 200, 400, 400]
        said = f"the limit of its cost is reached: spent ${COST * 3:.4f} of ${limit:g}"
        assert proxy.meter.reason() == said


def test_requests_at_the_same_time_pass_a_limit_by_about_one() -> None:
    answer = reply(body=json.dumps(MESSAGE).encode())
    with provider(answer) as upstream, proxied(upstream.url, max_tokens=13_500 * 5) as proxy:
        ask(proxy)  # from now on it is known how much one takes
        statuses: list[int] = []
        threads = [threading.Thread(target=lambda: statuses.append(ask(proxy).status)) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(statuses) == [200] * 4 + [400] * 26


def test_a_model_without_a_price() -> None:
    unknown = Told(model="new", usage=Usage(output_tokens=1000), final=True)
    free = Meter(PRICES, Limits(), "cheap")
    free.leave(free.enter(0), unknown, billed=True)
    assert free.cost_usd is None
    assert free.notes() == ["no price is known for new: so the cost is not known"]
    capped = Meter(PRICES, Limits(max_cost_usd=10), "cheap")
    capped.leave(capped.enter(0), unknown, billed=True)
    assert capped.cost_usd == 1.0
    assert capped.notes() == ["no price is known for new: counted as dear, the dearest"]


QUEUED = {"object": "response", "status": "queued", "background": True, "usage": None}


@pytest.mark.parametrize(
    "answer",
    [
        reply(body=json.dumps(QUEUED).encode()),
        stream(sse({"type": "response.created", "response": QUEUED}), whole=False),
        stream(sse({"type": "response.created", "response": {**QUEUED, "usage": {}}}), whole=False),
    ],
)
def test_an_answer_in_the_background_is_the_last(answer: Callable[[Any], None]) -> None:
    """OpenAI goes on with it when nobody listens any more, and tells us nothing of what it costs."""
    ways: tuple[dict[str, Any], ...] = {"max_tokens": 1_000_000}, {"max_cost_usd": 100.0}, {}
    for limits, second in zip(ways, (400, 400, 200), strict=True):
        with provider(answer) as upstream, proxied(upstream.url, "openai", **limits) as proxy:
            with contextlib.suppress(IncompleteRead):
                ask(proxy, path="/v1/responses")
            with contextlib.suppress(IncompleteRead):
                assert ask(proxy, path="/v1/responses").status == second
        assert (proxy.meter.refused_at is not None) == (second == 400)
        assert proxy.meter.cost_usd is None
        assert "in the background" in proxy.meter.notes()[0]


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_is_counted_before_its_end_is_passed_on(chunked: bool, monkeypatch: Any) -> None:
    """Whoever has it may ask again at once, and is then held to what it took."""
    count = Meter.leave

    def slowly(*args: Any, **options: Any) -> None:
        time.sleep(0.2)
        count(*args, **options)

    monkeypatch.setattr(Meter, "leave", slowly)
    created = sse({"type": "response.created", "response": QUEUED})
    answer = stream(created) if chunked else reply(body=json.dumps(QUEUED).encode())
    with provider(answer) as upstream, proxied(upstream.url, "openai", max_tokens=1_000_000) as proxy:
        ask(proxy, path="/v1/responses")
        assert proxy.meter.background == 1


def test_who_waits_is_let_go_at_the_end() -> None:
    meter = Meter(PRICES, Limits(max_tokens=100), "cheap")
    meter.enter(400)
    outcome: list[str] = []

    def wait() -> None:
        try:
            meter.enter(400)
        except Exceeded as exceeded:
            outcome.append(str(exceeded))

    thread = threading.Thread(target=wait)
    thread.start()
    meter.close(0.1)
    thread.join(60)
    assert outcome == ["the run is over"]
    assert meter.refused_at is None


def test_long_prompts_may_cost_more() -> None:
    long = Price(input=2, output=20, cache_read=0.2, cache_write=4)
    price = Price(input=1, output=10, cache_read=0.1, cache_write=2, over=1000, long=long)
    assert price.cost(Usage(input_tokens=1000)) == pytest.approx(0.001)
    assert price.cost(Usage(input_tokens=1, cache_read_tokens=1000)) == pytest.approx((2 + 200) / 1e6)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("cheap", True),
        ("cheap-20250929", True),
        ("cheap-2026-04-01", True),
        ("cheap@20250929", True),
        ("eu.anthropic.cheap-20250929-v1:0", True),
        ("vendor/cheap", True),
        ("cheap-mini", False),
        ("cheaper", False),
        ("", False),
    ],
)
def test_a_model_is_known_by_its_name_with_a_date_or_a_region(model: str, found: bool) -> None:
    assert (find(PRICES, model) is PRICES["cheap"]) == found
