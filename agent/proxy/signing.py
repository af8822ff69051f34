"""Signs requests to Amazon Bedrock with the function's role. The only module here that knows botocore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.secrets import SecretError

LARGEST = 32 << 20  # bytes of a body: a signature needs it whole, and Bedrock takes less


class Signer:
    """Credentials and region are the function's. Raises SecretError where there are none."""

    def __init__(self) -> None:
        from botocore.session import get_session

        session: Any = get_session()
        self._credentials = session.get_credentials()
        self.region: str = session.get_config_variable("region") or ""
        if self._credentials is None or not self.region:
            raise SecretError("Bedrock needs AWS credentials and a region, and there are none here")

    @property
    def home(self) -> str:
        return f"https://bedrock-runtime.{self.region}.amazonaws.com"

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """What makes a request ours: to be sent with it, and with just this body."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request: Any = AWSRequest(method=method, url=url, data=body)
        SigV4Auth(self._credentials.get_frozen_credentials(), "bedrock", self.region).add_auth(request)
        return dict(request.headers.items())
