"""One request through the proxy: checked, sent on with the key, its answer passed back as it comes."""

from __future__ import annotations

import contextlib
import hmac
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

from agent.proxy.body import CHUNK, BadRequest, Body
from agent.proxy.dialects import AUTHENTICATION, Told
from agent.proxy.meter import Exceeded, Ticket
from agent.proxy.signing import LARGEST
from agent.proxy.tap import Tap

if TYPE_CHECKING:
    from agent.proxy.server import Proxy

BODY_TIME = 60.0  # seconds for the client to send, or to take, the next piece
ERROR_MAX = 1 << 20  # bytes of an error that are passed on
# Of one connection, or ours to say.
HOPS = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "host",
        "content-length",
        "accept-encoding",
        "forwarded",
        "via",
    ]
)
# What tells of the way, or leads elsewhere.
UNTOLD = HOPS | frozenset(["location", "alt-svc", "set-cookie", "server", "x-powered-by", "date"])
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_TARGET = re.compile(r"(/[\w./:@%~+-]*)(\?[\w.:@%~+&=/,-]*)?", re.ASCII)


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Exchange:
    """`client` is the handler that took the request."""

    def __init__(self, client: Any, proxy: Proxy) -> None:
        self._client, self._proxy, self._dialect = client, proxy, proxy.dialect
        self._body: Body | None = None
        self._billed = False  # the model may have worked for it
        self._begun = False  # the client has the head of an answer
        self._tap: Tap | None = None
        self._ticket: Ticket | None = None  # of a request that is counted, until its answer is

    def run(self) -> None:
        """Nothing is raised but for a client that vanished."""
        self._client.connection.settimeout(BODY_TIME)
        try:
            self._admitted()
        except _Refused as refused:
            self._refuse(refused.status, str(refused))
        except BadRequest as wrong:
            self._refuse(400, str(wrong))

    def _admitted(self) -> None:
        self._body = Body(self._client.rfile, self._client.headers)
        if self._client.command == "HEAD":  # Claude Code asks whether anybody is there
            self._head(200, [("content-length", "0")])
            return
        target, metered = self._target()
        if not hmac.compare_digest(self._token().encode(), self._proxy.token.encode()):
            raise _Refused(401, "the model proxy of this run wants this run's token")
        if not metered:
            self._ask(target)
            return
        try:
            self._ticket = self._proxy.meter.enter(self._body.length or 0)
        except Exceeded as exceeded:
            # 400, since both CLIs repeat what is "too many" or "unavailable", for minutes.
            raise _Refused(400, f"lambdactl refuses this request: {exceeded}") from None
        try:
            self._ask(target)
        finally:
            self._settle()

    def _settle(self) -> None:
        """Count it for good, once: before its last byte is passed on, for who has it may ask again."""
        ticket, self._ticket, tap = self._ticket, None, self._tap
        if ticket is None:
            return
        told, guessed = (tap.told, tap.guessed) if tap else (Told(), 0)
        ticket.size = max(ticket.size, self._body.size if self._body else 0)
        self._proxy.meter.leave(ticket, told, billed=self._billed, guessed=guessed)

    def _target(self) -> tuple[str, bool]:
        """The path below the API's base, with its query, and whether what it costs is counted."""
        found = _TARGET.fullmatch(self._client.path)
        mount, path = self._dialect.mount, found[1] if found else ""
        route = f"{self._client.command} {path[len(mount) :]}" if path.startswith(mount) else ""
        metered = self._dialect.metered.fullmatch(route) is not None
        if not metered and self._dialect.free.fullmatch(route) is None:
            raise _Refused(404, "the model proxy passes on requests to the model and nothing else")
        return self._client.path[len(mount) :], metered

    def _token(self) -> str:
        headers = self._client.headers
        return str(headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer "))

    # -- there -----------------------------------------------------------------------------------

    def _ask(self, target: str) -> None:
        with self._connected() as (connection, prefix):
            self._send(connection, prefix + target)
            self._billed = True  # the whole request is there, or as much of it as was taken
            answer = self._answer(connection)
            if answer.status >= 300:
                self._billed = False
                self._pass_error(answer)
            else:
                self._pass(answer)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[tuple[HTTPConnection, str]]:
        try:
            connection, prefix = self._proxy.upstream.connect()
        except (OSError, HTTPException, ValueError) as error:
            raise _Refused(502, f"the model's API cannot be reached: {_kind(error)}") from None
        try:
            with self._proxy.open(connection.sock):
                yield connection, prefix
        finally:
            connection.close()

    def _send(self, connection: HTTPConnection, target: str) -> None:
        client, body = self._client, self._body
        assert body is not None
        signed = self._signed(target)
        connection.putrequest(client.command, target, skip_host=True, skip_accept_encoding=True)
        for name, value in [*self._headers(), *signed.items()]:
            connection.putheader(name, value)
        try:
            connection.endheaders()
            for piece in body:
                connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if body.length is None else piece)
            if body.length is None:
                connection.send(b"0\r\n\r\n")
        except ssl.SSLError as error:
            raise _Refused(502, f"the model's API cannot be reached: {_kind(error)}") from None
        except (BrokenPipeError, ConnectionResetError):
            return  # it may have answered before it hung up: too large, say

    def _signed(self, target: str) -> Mapping[str, str]:
        """A signature covers the body, so that one is read before it is sent on."""
        signer, upstream = self._proxy.signer, self._proxy.upstream
        if signer is None:
            return {}
        assert self._body is not None
        content = self._body.keep(LARGEST)
        url = target if "://" in target else f"{upstream.origin}{target}"
        return signer.headers(self._client.command, url, content)

    def _headers(self) -> Iterator[tuple[str, str]]:
        assert self._body is not None
        client, upstream = self._client.headers, self._proxy.upstream
        named = {each.strip().lower() for each in client.get("connection", "").split(",")}
        yield "host", upstream.host
        for name, value in client.items():
            passes = name.lower() not in HOPS | AUTHENTICATION | named
            if passes and _NAME.fullmatch(name) and value.isprintable():
                yield name, value
        yield "accept-encoding", "identity"  # usage is read from the answer
        yield from upstream.headers().items()
        yield from self._dialect.authorize(self._proxy.key).items()
        if self._body.length is None:
            yield "transfer-encoding", "chunked"
        elif self._client.command == "POST":
            yield "content-length", str(self._body.length)

    def _answer(self, connection: HTTPConnection) -> HTTPResponse:
        try:
            return connection.getresponse()
        except TimeoutError:
            raise _Refused(504, "the model's API did not answer in time") from None
        except (OSError, HTTPException) as error:
            raise _Refused(502, f"the model's API hung up: {_kind(error)}") from None

    # -- and back --------------------------------------------------------------------------------

    def _pass(self, answer: HTTPResponse) -> None:
        """As it comes, byte by byte. An answer that breaks off breaks off for the client, too."""
        kind, encoding = answer.getheader("content-type", ""), answer.getheader("content-encoding", "")
        tap = self._tap = Tap(self._dialect, kind, encoding.strip().lower())
        chunked = answer.length is None
        length = [("transfer-encoding", "chunked")] if chunked else [("content-length", str(answer.length))]
        there = self._try(lambda: self._head(answer.status, [*self._told(answer), *length]))
        # What is not streamed is made already: it is counted to its end. Of a stream its beginning is.
        while there or not (tap.streams and tap.guessed):
            piece = answer.read1(CHUNK)
            if not piece:
                break
            tap.feed(piece)
            if not answer.length and not chunked:
                tap.close()
                self._settle()
            elif self._ticket:
                self._proxy.meter.count(self._ticket, tap.told)
            there = there and self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        else:
            return
        tap.close()
        self._settle()
        if there and chunked:
            self._write(b"0\r\n\r\n")

    def _pass_error(self, answer: HTTPResponse) -> None:
        """With the key masked, should the text repeat it."""
        content = answer.read(ERROR_MAX)
        self._drain()
        if key := self._proxy.key.encode():
            content = content.replace(key, b"***")
        headers = [*self._told(answer), ("content-length", str(len(content)))]
        self._head(answer.status, headers)
        self._write(content)

    def _told(self, answer: HTTPResponse) -> Iterator[tuple[str, str]]:
        key = self._proxy.key
        for name, value in answer.getheaders():
            if name.lower() not in UNTOLD and not (key and key in value):
                yield name, value

    def _head(self, status: int, headers: list[tuple[str, str]]) -> None:
        self._begun = True
        self._client.send_response_only(status)
        for name, value in headers:
            self._client.send_header(name, value)
        self._client.send_header("connection", "close")
        self._client.end_headers()

    def _write(self, content: bytes) -> bool:
        return self._try(lambda: self._client.wfile.write(content))

    @staticmethod
    def _try(write: Any) -> bool:
        """False for a client that is gone, or takes nothing any more."""
        try:
            write()
        except OSError:
            return False
        return True

    def _refuse(self, status: int, message: str) -> None:
        """In the provider's words."""
        if self._begun:
            return
        self._drain()
        content = self._dialect.refusal(status, message)
        length = str(len(content))
        with contextlib.suppress(OSError):
            self._head(status, [("content-type", "application/json"), ("content-length", length)])
        if self._client.command != "HEAD":
            self._write(content)

    def _drain(self) -> None:
        """Read what the client still sends: closed before, it would never see the answer."""
        with contextlib.suppress(BadRequest):
            for _ in self._body or ():
                continue


def _kind(error: Exception) -> str:
    """What went wrong, without an address: the text of an error may hold one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if str(error).startswith("Tunnel connection failed"):
        return "the network's proxy refuses the way there"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "it timed out"
    return type(error).__name__
