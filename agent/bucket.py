"""A store in S3. Nothing else here knows S3."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent import media
from agent.store import Reader, StoreError

PART = 5 << 20  # bytes, S3's least; what is larger is uploaded in parts
PARTS_AT_ONCE = 2  # of all files together; each is in memory, so that none needs room on a full disk
PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds, before what the client itself does not try again

# What S3 answers to a conditional write, by botocore's model: there is one; one is being written.
_THERE = ("PreconditionFailed", "412")
_BUSY = ("ConditionalRequestConflict", "409")


class Bucket:
    """The run's folder at <prefix><run id>/ in S3. Its methods may be called from several threads."""

    keeps = True

    def __init__(self, bucket: str, client: Any = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._bucket = bucket
        self._sleep = sleep
        self._client = client or _client()
        self._prefix = ""
        self._lock = threading.Lock()
        self._transfers: Any = None
        self._under_way: set[Any] = set()
        self._given_up = False

    def definition(self, name: str) -> bytes:
        content = self._read(name)
        if content is None:
            raise StoreError(f"s3://{self._bucket}/{name} does not exist")
        return content

    def open(self, prefix: str, run_id: str) -> None:
        self._prefix = f"{prefix}{run_id}/"

    def claim(self, name: str, body: bytes) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        for pause in (*PAUSES, None):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self.address(name),
                    Body=body,
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
                return True
            except (BotoCoreError, ClientError) as error:
                code = error.response["Error"].get("Code") if isinstance(error, ClientError) else ""
                if code in _THERE:  # maybe by our own first try, whose answer was lost
                    return self.get(name) == body
                if code not in _BUSY or pause is None:
                    raise StoreError(
                        f"cannot write s3://{self._bucket}/{self.address(name)}: {error}"
                    ) from None
            self._sleep(pause)
        raise AssertionError("the last pause is None")

    def reclaim(self) -> None:
        """A job has no credentials, or with `aws: true` its role's: what it puts there lies beside ours."""

    def put(self, name: str, body: Path | bytes | Reader, content_type: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from s3transfer.exceptions import CancelledError

        key, headers = self.address(name), {"ContentType": content_type}
        if media.disposition(content_type) == "attachment":
            headers["ContentDisposition"] = "attachment"
        try:
            if isinstance(body, bytes):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **headers)
            else:
                self._upload(str(body) if isinstance(body, Path) else body, key, headers)
        except CancelledError:
            raise StoreError(f"no time was left for s3://{self._bucket}/{key}") from None
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"cannot write s3://{self._bucket}/{key}: {error}") from None

    def _upload(self, body: str | Reader, key: str, headers: Mapping[str, str]) -> None:
        """boto3's own way for files: a large one in parts, several at once; all given up when one fails."""
        transfer = self._transfer_manager().upload(body, self._bucket, key, dict(headers))
        self._under_way.add(transfer)
        if self._given_up:
            transfer.cancel()
        try:
            transfer.result()
        finally:
            self._under_way.discard(transfer)

    def _transfer_manager(self) -> Any:
        from s3transfer.manager import TransferConfig, TransferManager

        with self._lock:
            if self._transfers is None:
                config = TransferConfig(
                    multipart_threshold=PART,
                    multipart_chunksize=PART,
                    max_request_concurrency=PARTS_AT_ONCE,
                    max_in_memory_upload_chunks=PARTS_AT_ONCE,
                    max_submission_concurrency=1,
                )
                self._transfers = TransferManager(self._client, config)
            return self._transfers

    def abandon(self) -> None:
        self._given_up = True
        for transfer in list(self._under_way):
            transfer.cancel()

    def get(self, name: str) -> bytes | None:
        # Without leave to list the whole bucket, S3 answers "denied" for what is not there.
        return self._read(self.address(name), absent=("NoSuchKey", "AccessDenied"))

    def keep(self, name: str, content: bytes) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.put_object(Bucket=self._bucket, Key=self.address(name), Body=content)
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"cannot write s3://{self._bucket}/{self.address(name)}: {error}") from None
        return str(answer.get("VersionId") or "")

    def kept(self, name: str) -> str:
        return str(self._head(name).get("VersionId") or "")

    def forget(self, stored: Mapping[str, str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        objects = [
            {"Key": self.address(name)} | ({"VersionId": kept} if kept else {})
            for name, kept in stored.items()
        ]
        refused = []
        try:
            for some in (objects[at : at + 1000] for at in range(0, len(objects), 1000)):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
                )
                refused += answer.get("Errors", ())
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"s3://{self._bucket}/{self._prefix}: nothing can be removed: {error}") from None
        if refused:
            raise StoreError(f"cannot delete {refused[0]['Key']}: {refused[0].get('Code')}")

    def exists(self, name: str) -> bool:
        return bool(self._head(name))

    def _head(self, name: str) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found: Mapping[str, Any] = self._client.head_object(Bucket=self._bucket, Key=self.address(name))
        except (BotoCoreError, ClientError):
            return {}
        return found

    def address(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _read(self, key: str, absent: tuple[str, ...] = ("NoSuchKey",)) -> bytes | None:
        from botocore.exceptions import BotoCoreError, ClientError

        def body() -> Any:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"]

        try:
            for pause in PAUSES:
                answer = body()
                with contextlib.suppress(BotoCoreError):  # it broke off, after which the client gives up
                    return bytes(answer.read())
                self._sleep(pause)
            return bytes(body().read())
        except ClientError as error:
            if error.response["Error"].get("Code") in absent:
                return None
            raise StoreError(f"cannot read s3://{self._bucket}/{key}: {error}") from None
        except BotoCoreError as error:
            raise StoreError(f"cannot read s3://{self._bucket}/{key}: {error}") from None


def _client() -> Any:
    """Five tries with growing pauses, about half a minute in all at the worst of connection failures.

    S3 that says nothing for ten seconds will not say more in thirty: another try is the better use of them.
    """
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        config=Config(
            connect_timeout=5,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 5},
            max_pool_connections=16,
        ),
    )
