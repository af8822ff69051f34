"""The layers that know AWS: count, delay, narrow, hand over invocations. Each is its own thing."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from lambdactl.sandbox.answers import refusal, xml_refusal
from lambdactl.sandbox.identify import identify, plain
from lambdactl.sandbox.messages import Layer, Next, Request, Response

# What a run may call: what the role of a job can at most allow, and no more. Above all nothing that
# makes the emulator do something for it (bucket notifications, event sources).
OF_A_RUN: Mapping[str, frozenset[str]] = {
    "lambda": frozenset({"Invoke"}),
    "s3": frozenset(
        {
            "AbortMultipartUpload",
            "CompleteMultipartUpload",
            "CopyObject",
            "CreateMultipartUpload",
            "DeleteObject",
            "DeleteObjects",
            "GetObject",
            "GetObjectAttributes",
            "HeadBucket",
            "HeadObject",
            "ListMultipartUploads",
            "ListObjectVersions",
            "ListObjects",
            "ListObjectsV2",
            "ListParts",
            "PutObject",
            "UploadPart",
            "UploadPartCopy",
        }
    ),
    "ssm": frozenset({"GetParameter", "GetParameters"}),
    "sts": frozenset({"AssumeRole", "GetCallerIdentity"}),
}


class Record:
    """Counts calls by "service.Operation", and how many were under way at once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.calls: Counter[str] = Counter()
            self.peak = self._under_way

    def __call__(self, request: Request, following: Next) -> Response:
        name = ".".join(identify(request))
        with self._lock:
            self.calls[name] += 1
            self._under_way += 1
            self.peak = max(self.peak, self._under_way)
        try:
            return following(request)
        finally:
            with self._lock:
                self._under_way -= 1

    @property
    def total(self) -> int:
        return self.calls.total()


def latency(seconds: float, sleep: Callable[[float], None] = time.sleep) -> Layer:
    """Every call takes this much longer, as over a network."""

    def layer(request: Request, following: Next) -> Response:
        sleep(seconds)
        return following(request)

    return layer


def programs_only(request: Request, following: Next) -> Response:
    """No web page passes: the emulator would let any that the user visits read the secrets in it.

    A page's request says its origin; one that came here by a name of its own (DNS rebinding) says
    that name, while a program's says an address or localhost.
    """
    name = request.header("host").rpartition(":")[0] or request.header("host")
    page = request.header("origin") or request.header("sec-fetch-site")
    if page or (name != "localhost" and not _is_address(name)):
        return refusal(403, "AccessDeniedException", "the sandbox answers programs, not web pages")
    return following(request)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def narrow(allowed: Mapping[str, Collection[str]] = OF_A_RUN) -> Layer:
    """Only these operations of these services pass, and nothing that could be read as another."""

    def layer(request: Request, following: Next) -> Response:
        service, operation = identify(request)
        if operation in allowed.get(service, ()) and plain(request):
            return following(request)
        message = f"{service}:{operation} is not open to a run"
        if service == "s3" or request.header("content-type").startswith("application/x-www-form-urlencoded"):
            return xml_refusal(403, "AccessDenied", message)
        return refusal(403, "AccessDeniedException", message)

    return layer


def invoke(invoker: Callable[[Request], Response]) -> Layer:
    """Lambda's Invoke goes to `invoker`; the emulator never runs anything."""

    def layer(request: Request, following: Next) -> Response:
        service, operation = identify(request)
        if service != "lambda" or operation not in ("Invoke", "InvokeAsync", "InvokeWithResponseStream"):
            return following(request)
        if operation != "Invoke":
            return refusal(400, "InvalidRequestContentException", f"{operation} is not in the sandbox")
        return invoker(request)

    return layer
