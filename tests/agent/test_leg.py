"""A leg's event, its claim and its record, by values and stores alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.bucket import Bucket
from agent.contract import ContractError
from agent.folder import Folder
from agent.leg import Part, Record, Sofar
from agent.request import Request, leg_event
from agent.result import LegRecord, StoredFile, Usage
from lambdactl.bundled import schema
from tests.agent.test_store import RUN_ID, client

EVENT = leg_event(RUN_ID, 2, "a" * 64)
LEG = LegRecord(
    started_at="2026-11-26T04:00:00.000Z",
    ended_at="2026-11-26T04:14:25.000Z",
    ended="continued",
    usage=Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4),
    cost_usd=0.5,
    turns=7,
)


def test_the_event_of_a_leg_is_known_to_the_letter() -> None:
    request = Request.of_event(EVENT, "request-1")
    assert (request.run_id, request.leg, request.checkpoint) == (RUN_ID, 2, "a" * 64)
    assert not request.has_input


@pytest.mark.parametrize(
    "change",
    [
        {"leg": 1}, {"leg": 13}, {"leg": "2"}, {"leg": True}, {"leg": 2.0}, {"version": 2}, {"version": True},
        {"runId": "../../x"}, {"checkpoint": "a"}, {"checkpoint": None}, {"checkpoint": "A" * 64},
        {"input": 1},
    ],
    ids=str,
)  # fmt: skip
def test_any_other_is_an_input_like_all_that_is_not_ours(change: dict[str, Any]) -> None:
    request = Request.of_event({**EVENT, **change}, "request-1")
    assert (request.leg, request.run_id == RUN_ID) == (1, False)
    assert request.input == {**EVENT, **change}


def test_a_record_is_read_as_it_was_written() -> None:
    sofar = Sofar(
        started_at=LEG.started_at,
        session_id="session",
        seconds=865.5,
        legs=(LEG, LEG),
        files=(StoredFile(path="a", size=1, sha256="b" * 64, content_type="text/plain"),),
        notes=("a note",),
    )
    record = Record(
        run_id=RUN_ID, leg=3, definition="c" * 64, sofar=sofar, parts=(Part(name="x", size=1, sha256="d"),)
    )
    assert Record.parse(json.loads(json.dumps(record.dump()))) == record
    assert (sofar.usage.cache_write_tokens, sofar.cost_usd, sofar.turns) == (8, 1.0, 14)
    Draft202012Validator(schema("result")["properties"]["legs"]).validate([leg.dump() for leg in sofar.legs])


@pytest.mark.parametrize("document", [None, [], {}, {"version": 2}, {"version": 1, "runId": "x"}])
def test_what_is_no_record(document: Any) -> None:
    with pytest.raises(ContractError, match="not a checkpoint's record"):
        Record.parse(document)


@pytest.fixture(params=["folder", "moto", "ministack"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Folder | Bucket:
    if request.param == "folder":
        return Folder(tmp_path)
    s3, name = client("s3", request.getfixturevalue(f"{request.param}_server")), f"leg-{tmp_path.name}"
    name = name.lower().replace("_", "-")[-40:].strip("-")
    s3.create_bucket(Bucket=name)
    return Bucket(name, s3)


def test_what_is_claimed_once_is_taken(store: Folder | Bucket) -> None:
    store.open("triage/", RUN_ID)
    assert store.claim("legs/2/leg.json", b"one")
    assert not store.claim("legs/2/leg.json", b"another")
    assert store.get("legs/2/leg.json") == b"one"


def test_what_is_kept_can_be_forgotten(store: Folder | Bucket) -> None:
    store.open("triage/", RUN_ID)
    kept = {
        name: store.keep(name, b"content") for name in ("checkpoint/2/000001.tar", "checkpoint/2/record.json")
    }
    store.forget({**kept, "checkpoint/2/never": ""})
    assert [store.get(name) for name in kept] == [None, None]
