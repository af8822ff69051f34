"""What the sandbox itself answers, in AWS's words. Pure."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError

from lambdactl.errors import LambdactlError
from lambdactl.sandbox.messages import Headers, Response

TAIL = 4096  # bytes of log in an answer with LogType=Tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run came to. `function_error` is "" or Lambda's word for it ("Unhandled")."""

    payload: bytes
    function_error: str = ""
    log_tail: bytes = b""


def refusal(status: int, code: str, message: str, *, headers: Headers = ()) -> Response:
    """An error as AWS's JSON services write it: REST ones say the code in a header, others in the body."""
    return Response(
        status=status,
        headers=(("Content-Type", "application/json"), ("x-amzn-ErrorType", code), *headers),
        body=json.dumps({"__type": code, "Type": "User", "message": message, "Message": message}).encode(),
    )


def xml_refusal(status: int, code: str, message: str) -> Response:
    """An error as S3's and the query protocol's clients both read it."""
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    body = f"<ErrorResponse>{text}</ErrorResponse>".encode()
    return Response(status=status, headers=(("Content-Type", "text/xml"),), body=body)


def answered(answer: Answer, request_id: str, *, tail: bool) -> Response:
    headers = [
        ("Content-Type", "application/json"),
        ("x-amzn-RequestId", request_id),
        ("X-Amz-Executed-Version", "$LATEST"),
    ]
    if answer.function_error:
        headers.append(("X-Amz-Function-Error", answer.function_error))
    if tail:
        headers.append(("X-Amz-Log-Result", base64.b64encode(answer.log_tail[-TAIL:]).decode()))
    return Response(status=200, headers=tuple(headers), body=answer.payload)


def throttled(reason: str) -> Response:
    body = json.dumps({"Reason": reason, "Type": "User", "message": "Rate Exceeded."}).encode()
    return refusal(429, "TooManyRequestsException", "Rate Exceeded.").with_body(body)


def refused(error: ClientError) -> Response:
    """The emulator's own refusal, passed on."""
    detail = error.response["Error"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return refusal(status, detail["Code"], detail.get("Message", ""))


def failed(broken: LambdactlError, request_id: str) -> Response:
    """We cannot run it. Lambda says 502 in such cases, which boto3 would try again, with new runs."""
    return refusal(400, "SandboxException", str(broken), headers=(("x-amzn-RequestId", request_id),))
