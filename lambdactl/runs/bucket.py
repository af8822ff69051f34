"""Run folders in the project's bucket: read, waited for, downloaded, and asked to end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lambdactl.aws import Aws
from lambdactl.errors import NotFound, RunError, UsageError
from lambdactl.grants import BUCKET, BUCKET_KEY, FUNCTIONS, Needs, Reach
from lambdactl.runs.run import LARGEST, Place, Run, Saved, is_run_id, read_result, when_lost
from lambdactl.site import Site

LOST_AFTER = timedelta(minutes=2)  # after a run's time limit, for the upload
CANCEL = "control/cancel"  # the supervisor looks for it (agent/mirror.py)


class Runs:
    """The run folders of one project in its bucket."""

    def __init__(self, aws: Aws, site: Site, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._aws = aws
        self._bucket = site.bucket
        self._now = now

    def latest(self, place: Place, count: int) -> list[Run]:
        """The last `count` runs of a job, newest first."""
        ids = sorted(self._ids(place), reverse=True)[:count]
        return self._aws.each(lambda run_id: self.one(place, run_id), ids)

    def find(self, places: list[Place], run_id: str) -> Run:
        """The run with this id, whichever job it is of."""
        for run in self._aws.each(lambda place: self.one(place, run_id), places):
            if run.state != "queued":
                return run
        raise RunError(
            f"there is no run {run_id} of this project's jobs",
            hint="`lambdactl runs` lists those that have begun; `cancel --job NAME` ends one that has not; "
            "`--prefix FOLDER/` reads those of a job that left git, or is broken there",
        )

    def one(self, place: Place, run_id: str) -> Run:
        if not is_run_id(run_id):
            raise RunError(f"{run_id!r} is not the id of a run", hint="`lambdactl runs` lists them")
        key = f"{place.prefix}{run_id}/"
        where = f"s3://{self._bucket}/{key}"
        result = self._aws.stored(self._bucket, f"{key}result.json", LARGEST + 1)
        if result is not None:
            return read_result(
                result.content, Run(id=run_id, job=place.job, folder=where, state="unreadable")
            )
        request = self._aws.stored(self._bucket, f"{key}request.json", 1)
        if request is None:
            return Run(id=run_id, job=place.job, folder=where, state="queued")
        began = request.modified
        run = Run(id=run_id, job=place.job, folder=where, state="running", started=began)
        if place.legs > 1:
            run, limit = self._in_legs(place, run, key)
        else:
            limit = began + timedelta(seconds=place.timeout) + LOST_AFTER
        return run if self._now() <= limit else _lost(run, limit, self._saved(run))

    def _in_legs(self, place: Place, run: Run, key: str) -> tuple[Run, datetime]:
        """A run in its latest leg, or waiting for the next; and when that is over."""
        assert run.started
        leg, since, waits = 1, run.started, False
        where = {"Bucket": self._bucket, "Prefix": f"{key}legs/", "Delimiter": "/"}
        names = (each["Prefix"] for each in self._aws.pages("s3", "ListObjectsV2", "CommonPrefixes", **where))
        numbers = {name.removeprefix(f"{key}legs/").rstrip("/") for name in names}
        # By name: a job with `aws: true` may have made any others, and each would be asked for.
        for number in (each for each in range(place.legs, 0, -1) if str(each) in numbers):
            record = self._aws.stored(self._bucket, f"{key}legs/{number}/leg.json", LARGEST)
            if record is not None:
                leg, since, waits = number, record.modified, b'"ended"' in record.content
                break
        if waits:
            limit = since + timedelta(seconds=place.max_event_age) + LOST_AFTER
            return replace(run, reason=f"leg {leg} is over, leg {leg + 1} waits to start"), limit
        limit = since + timedelta(seconds=place.invocation) + LOST_AFTER
        return replace(run, reason=f"leg {leg} of at most {place.legs}"), limit

    def wait(
        self,
        place: Place,
        run_id: str,
        *,
        patience: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Run:
        """Until the run ended, or was lost, or `patience` seconds have passed; the last state seen."""
        until = clock() + patience
        pause = 0.5
        while True:
            run = self.one(place, run_id)
            left = until - clock()
            if run.state not in ("queued", "running") or left <= 0:
                return run
            sleep(min(pause, left))
            pause = min(pause * 1.3, 10.0)

    def cancel(self, place: Place, run_id: str) -> Run:
        """Ask the supervisor to end a run that is running or queued; RunError for any other."""
        run = self.one(place, run_id)
        if run.state not in ("queued", "running"):
            raise RunError(f"the run {run_id} is not running: it is {run.state}", why=run.reason)
        where = {"Bucket": self._bucket, "Key": f"{place.prefix}{run_id}/{CANCEL}"}
        body = json.dumps({"version": 1, "requestedAt": self._now().isoformat()}).encode()
        self._aws.call("s3", "PutObject", {**where, "Body": body, "ContentType": "application/json"})
        return run

    def files(self, run: Run, below: str = "") -> list[tuple[str, int]]:
        """(path in the run folder, size in bytes) of all that is stored; never the checkpoint."""
        prefix = run.folder.removeprefix(f"s3://{self._bucket}/")
        names = ((each["Key"].removeprefix(prefix), each["Size"]) for each in self._objects(prefix + below))
        return [(name, size) for name, size in names if not name.startswith("checkpoint/")]

    def _objects(self, prefix: str) -> list[Any]:
        where = {"Bucket": self._bucket, "Prefix": prefix}
        return self._aws.pages("s3", "ListObjectsV2", "Contents", **where)

    def _saved(self, run: Run) -> Saved:
        objects = self._objects(run.folder.removeprefix(f"s3://{self._bucket}/"))
        last = max((each["LastModified"] for each in objects), default=run.started)
        assert last is not None
        return Saved(files=len(objects), size=sum(each["Size"] for each in objects), last=last)

    def chunks(self, run: Run, name: str) -> Iterator[bytes]:
        """A file of the run folder, piece by piece."""
        prefix = run.folder.removeprefix(f"s3://{self._bucket}/")
        return self._aws.chunks(self._bucket, prefix + name)

    def download(self, run: Run, target: Path) -> Iterator[Path]:
        """Every file of the run folder below `target`, a new folder; yields each as it is written.

        The names are the job's to choose: one that is no file's name below `target` is left out, and
        nothing that is there already (a repository's .git/config, say) can be written over.
        """
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UsageError(f"{target} is not an empty folder", hint="name a new one")
        for name, _ in self.files(run):
            if not _is_file_name(name):
                continue
            path = target / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("xb")
            except (FileExistsError, NotADirectoryError):
                continue  # S3 can hold both `a` and `a/b`, a disk cannot
            with file:
                for chunk in self.chunks(run, name):
                    file.write(chunk)
            yield path

    def _ids(self, place: Place) -> Iterator[str]:
        where = {"Bucket": self._bucket, "Prefix": place.prefix, "Delimiter": "/"}
        try:
            folders = self._aws.pages("s3", "ListObjectsV2", "CommonPrefixes", **where)
        except NotFound:
            return  # no bucket yet, so no run either
        for each in folders:
            run_id = each["Prefix"].removeprefix(place.prefix).rstrip("/")
            if is_run_id(run_id):
                yield run_id


def _is_file_name(name: str) -> bool:
    parts = name.split("/")
    return "\0" not in name and all(
        part not in ("", ".", "..") and len(part.encode()) <= 255 for part in parts
    )


def _lost(run: Run, limit: datetime, saved: Saved) -> Run:
    told = f"{run.reason}; {when_lost(saved)}" if run.reason else when_lost(saved)
    reason = f"{told}; wrote no result by {limit:%Y-%m-%d %H:%M:%S} UTC: see the function's log"
    return replace(run, state="lost", reason=reason, saved=saved)


def needs(prefixes: Iterable[str]) -> Needs:
    """The IAM actions of launching the project's jobs, reading and cancelling their runs, which lie under
    `prefixes`."""
    under = sorted(set(prefixes))

    def cancels(site: Site) -> Mapping[str, Any] | None:
        # In IAM a * is also over slashes: any run's, and nothing but the wish to end it.
        return {"Resource": [f"{site.bucket_arn}/{prefix}*/{CANCEL}" for prefix in under]} if under else None

    def folders(site: Site) -> Mapping[str, Any] | None:
        return {"Resource": [f"{site.bucket_arn}/{prefix}*" for prefix in under]} if under else None

    return {
        "lambda.Invoke": {"lambda:InvokeFunction": FUNCTIONS},
        # Of the whole bucket: to a caller that may list a part, S3 answers "denied" and not "absent" for a
        # result that is not there yet. It shows names of objects, no content.
        "s3.ListObjectsV2": {"s3:ListBucket": BUCKET},
        "s3.GetObject": {"s3:GetObject": Reach(sid="Runs", limits=folders), "kms:Decrypt": BUCKET_KEY},
        "s3.PutObject": {
            "s3:PutObject": Reach(sid="Cancel", limits=cancels),
            "kms:GenerateDataKey": BUCKET_KEY,
        },
    }
