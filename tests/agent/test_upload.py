"""Large files go to S3 in parts, whole or not at all; what an agent wrote runs nothing in a browser."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.bucket import PART, Bucket
from agent.deliver import Delivery
from agent.folder import Folder
from agent.harvest import Item
from agent.left import Left
from agent.redact import Redactor
from agent.store import StoreError
from lambdactl.sandbox.front import Front, Layer, Next, Request, Response
from lambdactl.sandbox.identify import identify
from tests.agent.test_store import RUN_ID, client


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bucket of an emulator, and the calls that were made to it."""

    s3: Any
    bucket: str
    store: Bucket
    calls: Counter[str]

    def orphans(self) -> list[Any]:
        return list(self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []))

    def head(self, name: str) -> Any:
        return self.s3.head_object(Bucket=self.bucket, Key=self.store.address(name))

    def content(self, name: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=self.store.address(name))["Body"].read())


@contextmanager
def place(url: str, *layers: Layer) -> Iterator[Place]:
    calls: Counter[str] = Counter()

    def count(request: Request, following: Next) -> Response:
        calls[identify(request)[1]] += 1
        return following(request)

    s3, name = client("s3", url), f"agent-{os.urandom(4).hex()}"
    s3.create_bucket(Bucket=name)
    with Front(url, [count, *layers]) as front:
        store = Bucket(name, client("s3", front.url))
        store.open("triage/", RUN_ID)
        yield Place(s3=s3, bucket=name, store=store, calls=calls)


def large(folder: Path, parts: int = 3) -> Path:
    file = folder / "large"
    with file.open("wb") as writing:
        for number in range(parts):
            writing.write(os.urandom(1 << 20) * (PART >> 20) + bytes([number]))
            writing.write(b"of s3cr3t-value.")
    return file


@pytest.fixture(params=["moto", "ministack"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_server"))


def deliver(here: Place, *files: Path, seconds: float = 60) -> tuple[Any, Left]:
    delivery, left = Delivery(store=here.store, redactor=Redactor({"T": "s3cr3t-value"})), Left()
    items = [Item(name=f"artifacts/{file.name}", file=file) for file in files]
    return delivery.all(items, left, lambda: seconds), left


def test_a_large_file_goes_in_parts_and_its_hash_is_of_what_is_stored(url: str, tmp_path: Path) -> None:
    file = large(tmp_path)
    with place(url) as here:
        (stored,), _ = deliver(here, file)
        content = here.content("artifacts/large")
        assert content == file.read_bytes().replace(b"s3cr3t-value", b"***T***")
        assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert here.calls == {"CreateMultipartUpload": 1, "UploadPart": 4, "CompleteMultipartUpload": 1}
        assert here.head("artifacts/large")["ContentDisposition"] == "attachment"


def test_a_file_that_cannot_be_read_to_its_end_leaves_no_parts(moto_server: str) -> None:
    class Breaks:
        left = 2

        def read(self, size: int = -1, /) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise OSError("the disk is gone")
            return b"x" * size

    with place(moto_server) as here:
        with pytest.raises(OSError, match="the disk is gone"):
            here.store.put("large", Breaks(), "text/plain; charset=utf-8")
        assert here.calls["AbortMultipartUpload"] == 1
        assert here.orphans() == []


def test_parts_are_sent_at_once(moto_server: str, tmp_path: Path) -> None:
    meeting = threading.Barrier(2)

    def meet(request: Request, following: Next) -> Response:
        if identify(request)[1] == "UploadPart":
            meeting.wait(60)  # for another part; one after the other they would wait in vain
        return following(request)

    with place(moto_server, meet) as here:
        here.store.put("large", large(tmp_path), "application/octet-stream")
        assert not meeting.broken
        assert here.calls["UploadPart"] == 4


def failing(operation: str) -> Layer:
    def layer(request: Request, following: Next) -> Response:
        if identify(request)[1] == operation:
            return Response(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return following(request)

    return layer


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_one_that_fails_leaves_no_parts(url: str, tmp_path: Path, operation: str) -> None:
    with place(url, failing(operation)) as here:
        with pytest.raises(StoreError, match=r"cannot write s3://agent-.*AccessDenied"):
            here.store.put("large", large(tmp_path), "text/plain; charset=utf-8")
        assert here.calls["AbortMultipartUpload"] == 1
        assert here.orphans() == []


def test_one_that_cannot_even_be_aborted_fails_with_its_own_error(moto_server: str, tmp_path: Path) -> None:
    layers = failing("UploadPart"), failing("AbortMultipartUpload")
    with place(moto_server, *layers) as here, pytest.raises(StoreError, match=r"AccessDenied.* UploadPart"):
        here.store.put("large", large(tmp_path), "text/plain; charset=utf-8")


def test_what_is_on_its_way_when_the_time_is_over_is_given_up(moto_server: str, tmp_path: Path) -> None:
    """The result is still to come, and the function may be frozen right after it."""
    under_way, go_on = threading.Event(), threading.Event()

    def held(request: Request, following: Next) -> Response:
        if identify(request)[1] == "UploadPart":
            under_way.set()
            go_on.wait(60)
        return following(request)

    with place(moto_server, held) as here:
        store, file = here.store, large(tmp_path)

        def put() -> None:
            with pytest.raises(StoreError, match="no time was left"):
                store.put("large", file, "x/y")

        thread = threading.Thread(target=put)
        thread.start()
        assert under_way.wait(60)
        store.abandon()
        store.put("result.json", b"{}", "application/json")
        go_on.set()
        thread.join(60)
        assert not thread.is_alive()
        until = time.monotonic() + 60
        while here.orphans() and time.monotonic() < until:
            time.sleep(0.05)
        assert here.orphans() == []
        assert here.content("result.json") == b"{}"
        with pytest.raises(StoreError, match="no time was left"):
            store.put("another", file, "x/y")
        assert here.orphans() == []


def test_a_delivery_whose_time_is_over_gives_up_its_uploads(moto_server: str, tmp_path: Path) -> None:
    go_on = threading.Event()

    def held(request: Request, following: Next) -> Response:
        if identify(request)[1] == "UploadPart":
            go_on.wait(60)
        return following(request)

    with place(moto_server, held) as here:
        stored, left = deliver(here, large(tmp_path), seconds=1)
        go_on.set()
        assert stored == ()
        assert left.by_reason == {"no time was left to store them": ["artifacts/large"]}
        until = time.monotonic() + 60
        while here.orphans() and time.monotonic() < until:
            time.sleep(0.05)
        assert here.orphans() == []


def test_why_a_file_was_not_stored_is_masked_before_it_is_cut(tmp_path: Path) -> None:
    """The system's words repeat its path: half a value would not be found in them any more."""
    left, name = Left(), "made-up-secret-in-a-name"
    before = "x" * (195 - len("[Errno 2] No such file or directory: '") - len(f"{tmp_path}/"))
    delivery = Delivery(store=Folder(tmp_path / "run"), redactor=Redactor({"T": name}))
    delivery.all([Item(name="artifacts/a", file=tmp_path / (before + name))], left, lambda: 60.0)
    (why,) = left.by_reason
    assert "No such file" in why
    assert name[:5] not in why


def test_what_making_the_files_took_is_gone_from_the_time_for_them(tmp_path: Path) -> None:
    """A patch is made while the first files are on their way: with both times one after the other, Lambda's
    deadline would pass, and the result with it."""
    go_on, spent = threading.Event(), [0.0]

    class Held(Folder):
        def put(self, name: str, body: Any, content_type: str) -> None:
            go_on.wait(60)

    def items() -> Iterator[Item]:
        yield Item(name="artifacts/large", file=large(tmp_path))
        spent[0] = 3600

    left = Left()
    delivery = Delivery(store=Held(tmp_path), redactor=Redactor({}))
    assert delivery.all(items(), left, lambda: 3600 - spent[0]) == ()
    assert left.by_reason == {"no time was left to store them": ["artifacts/large"]}
    go_on.set()


def test_names_that_become_one_are_told_apart(tmp_path: Path) -> None:
    """Two spellings of a value are one mark, two bytes that are no UTF-8 one character."""
    names = (b"\xfe.txt", b"\xff.txt", b"s3cr3t value.txt", b"s3cr3t%20value.txt", b"***T***~2.txt")
    files = [tmp_path / os.fsdecode(name) for name in names]
    for number, file in enumerate(files):
        file.write_text(f"{number}")
    store = Folder(tmp_path / "run")
    delivery = Delivery(store=store, redactor=Redactor({"T": "s3cr3t value"}))
    items = [Item(name=f"artifacts/{file.name}", file=file, below=tmp_path) for file in files]
    stored = {each.path: store.get(each.path) for each in delivery.all(items, Left(), lambda: 60)}
    assert stored == {
        "artifacts/\N{REPLACEMENT CHARACTER}.txt": b"0",
        "artifacts/\N{REPLACEMENT CHARACTER}~2.txt": b"1",
        "artifacts/***T***.txt": b"2",
        "artifacts/***T***~2.txt": b"3",
        "artifacts/***T***~2~2.txt": b"4",
    }


@pytest.mark.parametrize(
    ("name", "type_", "disposition"),
    [
        ("page.html", "text/html; charset=utf-8", "attachment"),
        ("image.svg", "image/svg+xml", "attachment"),
        ("notes.md", "text/plain; charset=utf-8", None),
        ("events.jsonl", "text/plain; charset=utf-8", None),
        ("table.json", "application/json", None),
        ("chart.png", "image/png", None),
    ],
)
def test_what_could_run_in_a_browser_is_an_attachment(
    url: str, tmp_path: Path, name: str, type_: str, disposition: str | None
) -> None:
    file = tmp_path / name
    file.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    with place(url) as here:
        (stored,), _ = deliver(here, file)
        head = here.head(f"artifacts/{name}")
        assert (stored.content_type, head["ContentType"]) == (type_, type_)
        assert head.get("ContentDisposition") == disposition
