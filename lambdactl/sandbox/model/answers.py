"""What the scripted model answers to an HTTP request, whichever server took it. No sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from lambdactl.sandbox.model import anthropic, openai, script, tools, unscripted
from lambdactl.sandbox.model.conversation import (
    Conversation,
    Dialect,
    Failure,
    Head,
    Reply,
    Text,
    Turn,
    Usage,
    Use,
    Wait,
)

ROUTES: Mapping[tuple[str, str], Dialect] = {
    ("POST", "/messages"): cast(Dialect, anthropic),
    ("POST", "/messages/count_tokens"): cast(Dialect, anthropic),
    ("POST", "/responses"): cast(Dialect, openai),
    ("GET", "/models"): cast(Dialect, openai),
}
MODELS = ("scripted",)
KEPT = 200  # requests remembered for a test to look at; the oldest are dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `headers` has the names in lower case; `key` is what the request authenticates with."""

    method: str
    path: str
    headers: tuple[str, ...]
    body: bytes = field(default=b"", repr=False)
    key: str = field(default="", repr=False)

    @property
    def route(self) -> tuple[str, str]:
        """Method and path without the query and the version in front."""
        path = self.path.partition("?")[0].rstrip("/")
        return self.method, path.removeprefix("/v1") or "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a test may look at afterwards: no secret, the body as JSON ({} where there was none)."""

    method: str
    path: str
    headers: tuple[str, ...]
    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    content_type: str
    chunks: Iterator[bytes]


class Model:
    """Answers requests from a script. `requests` holds the last `kept` of them, for a test to look at."""

    def __init__(
        self, *, steps: Sequence[script.Step] = (), api_key: str | None = None, kept: int = KEPT
    ) -> None:
        self.steps = script.parse(steps)
        self.requests: deque[Seen] = deque(maxlen=kept)
        self.closing = threading.Event()  # ends every pause
        self._api_key = api_key

    def answer(self, request: Request) -> Answer:
        """The answer to one request; any server can put itself in front."""
        body = _json(request.body)
        answer = self._answer(request, body if isinstance(body, dict) else None)
        self.requests.append(
            Seen(
                method=request.method,
                path=request.path,
                headers=request.headers,
                status=answer.status,
                body=body if isinstance(body, dict) else {},
            )
        )
        return answer

    def _answer(self, request: Request, body: dict[str, Any] | None) -> Answer:
        dialect = ROUTES.get(request.route)
        if dialect is None:
            return self._lost(request)
        digest = hashlib.sha256(request.body).hexdigest()
        if self._api_key is not None and not hmac.compare_digest(
            request.key.encode(), self._api_key.encode()
        ):
            return _failed(dialect, Failure(status=401, message="invalid API key"), digest)
        if request.method == "GET":
            return _document(200, _models())
        if body is None:
            return _failed(dialect, Failure(status=400, message="the request is not a JSON object"), digest)
        if request.route[1] == "/messages/count_tokens":
            return _document(200, {"input_tokens": _tokens(request.body)})
        return self._say(dialect, request, body, digest)

    def _say(self, dialect: Dialect, request: Request, body: dict[str, Any], digest: str) -> Answer:
        try:
            conversation = dialect.read(body)
            turn = self._turn(conversation)
        except tools.ScriptError as broken:
            return _failed(dialect, Failure(status=400, message=f"scripted model: {broken}"), digest)
        except (AttributeError, KeyError, TypeError) as broken:
            return _failed(
                dialect, Failure(status=400, message=f"cannot read the request: {broken!r}"), digest
            )
        if turn.failure:
            self._wait(sum(part.seconds for part in turn.parts if isinstance(part, Wait)))
            return _failed(dialect, turn.failure, digest)
        head = Head(
            digest=digest, model=str(body.get("model", "scripted")), usage=_usage(request, conversation, turn)
        )
        if body.get("stream"):
            events = dialect.stream(turn, head, self._wait)
            return Answer(status=200, content_type="text/event-stream", chunks=map(_event, events))
        self._wait(sum(part.seconds for part in turn.parts if isinstance(part, Wait)))
        return _document(200, dialect.whole(turn, head))

    def _turn(self, conversation: Conversation) -> Turn:
        """The prompt's script comes first, then the server's, then the built-in behaviour."""
        answered = sum(isinstance(entry, Reply) for entry in conversation.entries)
        own = script.scripted(conversation) or ((self.steps, answered) if self.steps else None)
        if own is None:
            return unscripted.turn(conversation)
        try:
            return script.turn(own[0], conversation, own[1])
        except tools.NotOffered as held_back:
            looking = tools.search(held_back.query, conversation)
            if looking is None:
                raise
            return looking

    def _wait(self, seconds: float) -> None:
        self.closing.wait(seconds) if seconds > 0 else None

    @staticmethod
    def _lost(request: Request) -> Answer:
        if request.method == "HEAD" or request.route == ("GET", "/"):  # Claude Code asks whether we are there
            return _document(200, {"service": "scripted model"})
        failure = Failure(status=404, message=f"no route {request.method} {request.path.partition('?')[0]}")
        return _document(404, anthropic.error(failure, "req_0"))


def _document(status: int, document: Mapping[str, Any]) -> Answer:
    return Answer(
        status=status, content_type="application/json", chunks=iter([json.dumps(document).encode()])
    )


def _failed(dialect: Dialect, failure: Failure, digest: str) -> Answer:
    return _document(failure.status, dialect.error(failure, f"req_{digest[:24]}"))


def _event(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _models() -> dict[str, Any]:
    """The list in the shape both providers share."""
    data = [{"id": name, "object": "model", "type": "model", "display_name": name} for name in MODELS]
    return {"object": "list", "data": data, "has_more": False}


def _tokens(text: bytes) -> int:
    return max(1, len(text) // 4)


def _usage(request: Request, conversation: Conversation, turn: Turn) -> Usage:
    """The first answer writes the prompt to the cache, each later one reads nine tenths of it back."""
    total = _tokens(request.body)
    cached = total * 9 // 10
    later = any(isinstance(entry, Reply) for entry in conversation.entries)
    output = sum(_size(part) for part in turn.parts) // 4 + 1
    return Usage(
        fresh=total - cached,
        cache_read=cached if later else 0,
        cache_write=0 if later else cached,
        output=output,
    )


def _size(part: Text | Use | Wait) -> int:
    if isinstance(part, Wait):
        return 0
    return len(part.text if isinstance(part, Text) else json.dumps(part.input))
