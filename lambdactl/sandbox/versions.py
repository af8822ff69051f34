"""The layer that says that buckets keep versions, and lets none be kept. Changes answers, nothing else.

Where versioning is on, the emulator leaves a deleted object's file in its folder, and has the object
again when it starts the next time: a removed job's definition, the lock of an apply that has ended.
"""

from __future__ import annotations

from dataclasses import replace

from lambdactl.sandbox.identify import identify
from lambdactl.sandbox.messages import Next, Request, Response

_ENABLED = (
    b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Status>Enabled</Status></VersioningConfiguration>"
)


def no_versions(request: Request, following: Next) -> Response:
    if identify(request) == ("s3", "PutBucketVersioning"):
        # Whether there is such a bucket is still the emulator's to say.
        return following(replace(request, method="GET", body=b""))
    response = following(request)
    if identify(request) == ("s3", "GetBucketVersioning") and response.status == 200:
        return response.with_body(_ENABLED)
    return response
