"""Where calls go and as whom: session, credentials, one client for each service. Makes no call.

Uses botocore itself: boto3 adds nothing that we need to it but time at each start.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from lambdactl.aws.answer import check_whole
from lambdactl.aws.translate import translated
from lambdactl.errors import Refused

CONNECTIONS = 64  # one for each thread that reads or applies at most
# To a chosen endpoint: no proxy of the machine stands between (it would see every secret), and no
# variable changes the address.
_DIRECT: Mapping[str, Any] = {
    "proxies": {},
    "use_fips_endpoint": False,
    "use_dualstack_endpoint": False,
    "s3": {"addressing_style": "path"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An AWS that is not AWS, whole: address, credentials and all. Nothing of it is left to defaults."""

    url: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)


class Clients:
    """AWS as the standard variables and files say, or an `endpoint` and then nothing else."""

    def __init__(self, region: str, endpoint: Endpoint | None) -> None:
        self._region = endpoint.region if endpoint else region
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    @cached_property
    def _session(self) -> Any:
        from botocore.handlers import json_decode_policies
        from botocore.session import Session

        session = Session(session_vars=_nowhere() if self._endpoint else None)
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
        # `policies.normal` decodes them, in a fifth of the time.
        session.unregister("after-call.iam", json_decode_policies)
        if self._endpoint:
            session.set_credentials(self._endpoint.access_key, self._endpoint.secret_key)
        if self._region:
            session.set_config_variable("region", self._region)
        return session

    @property
    def region(self) -> str:
        with translated("region"):
            region = self._session.get_config_variable("region")
        if not region:
            raise Refused("no AWS region", hint="set `region:` in lambdactl.yaml, or AWS_REGION")
        return str(region)

    def frozen_credentials(self) -> dict[str, str]:
        """The caller's credentials by the names STS uses, resolved once; for handing on to a run."""
        with translated("credentials"):
            found = self._session.get_credentials()
            if found is None:
                from botocore.exceptions import NoCredentialsError

                raise NoCredentialsError
            frozen = found.get_frozen_credentials()
        return {
            "AccessKeyId": frozen.access_key,
            "SecretAccessKey": frozen.secret_key,
            "SessionToken": frozen.token or "",
        }

    def __call__(self, service: str) -> Any:
        """The client, made serially: making them in threads is slower (the loader's cache and the GIL)."""
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def prepare(self, service: str) -> None:
        """Make the client, and what its paginators are made of."""
        self(service)
        self._session.get_component("data_loader").load_service_model(service, "paginators-1")

    def paginator(self, service: str, operation: str, method: Any) -> Any:
        """botocore's paginator of an operation, with `method` to make each of its calls."""
        from botocore.paginate import Paginator

        config = self._session.get_paginator_model(service).get_paginator(operation)
        return Paginator(method, config, self(service).meta.service_model.operation_model(operation))

    def _make(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(
            # Repeating a call is ours to decide: paced, bounded by --timeout (lambdactl.aws.client).
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=CONNECTIONS,
            connect_timeout=10,
            read_timeout=60,
            ignore_configured_endpoint_urls=self._endpoint is not None,
            **(_DIRECT if self._endpoint else {}),
        )
        url = self._endpoint.url if self._endpoint else None
        with translated(f"{service} client"):
            client = self._session.create_client(service, config=config, endpoint_url=url)
            client.meta.events.register("before-parse", check_whole)
            return client


def _time(value: Any) -> Any:
    """A timestamp of an answer. botocore's own parser takes any spelling, and a tenth of a plan's CPU."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):  # seconds, or the date of an HTTP header
        found = None
    if found is not None and found.tzinfo is not None:
        return found
    from botocore.utils import parse_timestamp

    return parse_timestamp(value)


def _nowhere() -> dict[str, Any]:
    """A botocore session that reads no profile and no file of this machine."""
    import os

    return {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
