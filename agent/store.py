"""Where a run's definition comes from and its folder goes: a folder or a bucket. Nothing else knows S3.

A store that fails for good raises StoreError: then the invocation fails, and Lambda tries again.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from agent import media
from agent.wipe import wipe

CHUNK = 1 << 20
PART = 5 << 20  # bytes, S3's least; what is larger is uploaded in parts
PARTS_AT_ONCE = 2  # of all files together; each is in memory, so that none needs room on a full disk
CLAIM = "request.json"  # the first object of a run: who writes it does the run's work
PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds; another write to the same key is on its way

# What S3 answers to a conditional write, by botocore's model: there is one; one is being written.
_THERE = ("PreconditionFailed", "412")
_BUSY = ("ConditionalRequestConflict", "409")


class StoreError(Exception):
    """What had to be read or written could not be, after all retries."""


class Reader(Protocol):
    """What can be read once, from the beginning to its end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Store(Protocol):
    """One run's folder. `prefix` is the job's in the bucket, and ends with "/".

    `keeps`: what was put there stays as it is through `reclaim`.
    """

    keeps: bool

    def definition(self, name: str) -> bytes: ...

    def open(self, prefix: str, run_id: str) -> None:
        """Name the run's folder; before this only the definition can be read."""

    def claim(self, name: str, body: bytes) -> bool:
        """Store a JSON document where there is none yet; False when there is one, of several attempts for
        all but one."""

    def reclaim(self) -> None:
        """Take away what the job itself put into the run's folder, if it can: only we are to write there."""

    def put(self, name: str, body: Path | bytes | Reader, content_type: str) -> None:
        """Store a file, bytes, or what can be read, under `name` in the run's folder, whole or not at all."""

    def abandon(self) -> None:
        """Give up files that are on their way, without waiting, and any to come; bytes can still be put."""

    def get(self, name: str) -> bytes | None:
        """What the run's folder has under `name`."""

    def keep(self, name: str, content: bytes) -> str:
        """As `put`; what `forget` wants to take it away wholly, also from a bucket with versions."""

    def forget(self, stored: Mapping[str, str]) -> None:
        """Take away what `keep` stored: names, and what it answered."""

    def exists(self, name: str) -> bool:
        """Whether the run's folder has anything under `name`; asks once, and False when it cannot tell."""

    def address(self, name: str) -> str:
        """The S3 key, or the path, of `name`."""


class Folder:
    """The run's folder on disk: `root`/out, since a volume at `root` holds one run."""

    keeps = False

    def __init__(self, root: Path) -> None:
        self._out = root / "out"

    def definition(self, name: str) -> bytes:
        try:
            return Path(name).read_bytes()
        except OSError as error:
            raise StoreError(f"cannot read the definition: {error}") from None

    def open(self, prefix: str, run_id: str) -> None:
        self._out.mkdir(parents=True, exist_ok=True)

    def claim(self, name: str, body: bytes) -> bool:
        try:
            (self._out / name).parent.mkdir(parents=True, exist_ok=True)
            with (self._out / name).open("xb") as file:
                file.write(body)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"cannot write {self._out / name}: {error}") from None
        return True

    def reclaim(self) -> None:
        """A job is the same user as we are: nothing of its making leaves unmasked, or stands in the way.

        What claims the run stays until it is written again, or another attempt would find it free.
        """
        try:
            if self._out.is_dir() and not self._out.is_symlink():
                self._out.chmod(0o700)
                for each in list(self._out.iterdir()):
                    if each.name != CLAIM or each.is_symlink() or not each.is_file():
                        wipe(each)
            else:
                wipe(self._out)
            self._out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot empty {self._out}: {error}") from None

    def put(self, name: str, body: Path | bytes | Reader, content_type: str) -> None:
        target = self._out / name
        aside = target.with_name(f".{uuid.uuid4().hex}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # New, under a name nobody knows: a pipe that a job put there would never end our writing.
            with aside.open("xb") as file:
                if isinstance(body, bytes):
                    file.write(body)
                elif isinstance(body, Path):
                    with body.open("rb") as source:
                        shutil.copyfileobj(source, file, CHUNK)
                else:
                    shutil.copyfileobj(body, file, CHUNK)
            os.replace(aside, target)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error}") from None

    def abandon(self) -> None:
        """What is written aside is wiped with the folder."""

    def get(self, name: str) -> bytes | None:
        try:
            return (self._out / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"cannot read {name}: {error}") from None

    def keep(self, name: str, content: bytes) -> str:
        self.put(name, content, "application/octet-stream")
        return ""

    def forget(self, stored: Mapping[str, str]) -> None:
        for name in stored:
            try:
                (self._out / name).unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"cannot remove {name}: {error}") from None

    def exists(self, name: str) -> bool:
        return os.path.lexists(self._out / name)

    def address(self, name: str) -> str:
        return str(self._out / name)


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
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.head_object(Bucket=self._bucket, Key=self.address(name))
        except (BotoCoreError, ClientError):
            return False
        return True

    def address(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _read(self, key: str, absent: tuple[str, ...] = ("NoSuchKey",)) -> bytes | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
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
