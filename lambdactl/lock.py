"""lambdactl.lock: what exactly goes into the images, by hash. Loads, checks, resolves; builds nothing.

One entry per base image (reference -> digest) and per bundle of packages (its whole closure, by
registry hash, for every platform). It holds nothing of the machine that made it: no paths, no
registry hosts. apt packages are not in it: Debian's archive keeps no old versions to pin to.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdactl.errors import BuildError, LockError
from lambdactl.image import npm, oci, pypi
from lambdactl.image.contents import Bundle, contents
from lambdactl.image.machine import BASE_IMAGE
from lambdactl.manifest.job import Job, Settings

VERSION = 1
HINT = "run `lambdactl lock`"

Closure = Mapping[str, Any]  # npm.lock's or pypi.lock's answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    date: str = ""  # of the last change, UTC
    images: Mapping[str, str] = field(default_factory=dict)  # reference -> sha256:...
    packages: Mapping[str, Closure] = field(default_factory=dict)  # str(Bundle) -> closure

    def dump(self) -> str:
        document = {
            "version": VERSION,
            "date": self.date,
            "images": dict(self.images),
            "packages": dict(self.packages),
        }
        return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def closure(self, bundle: Bundle) -> Closure:
        try:
            found = self.packages[str(bundle)]
        except KeyError:
            raise LockError(f"lambdactl.lock does not hold {bundle}", hint=HINT) from None
        wheels = bundle.registry == "pypi"
        if not isinstance(found, dict) or (wheels and not isinstance(found.get("requirements"), dict)):
            raise LockError(f"lambdactl.lock is damaged at {bundle}", hint="restore it from git")
        return found

    def base(self, reference: str) -> str:
        """The base image by digest. A reference that names its digest is its own lock; "" is no base."""
        if not reference or oci.parse(reference).digest:
            return reference
        try:
            return f"{reference}@{self.images[reference]}"
        except KeyError:
            raise LockError(f"lambdactl.lock does not hold the base image {reference}", hint=HINT) from None


def load(path: Path) -> Lock:
    """The lock in a file; an empty one when there is no file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Lock()
    except (ValueError, RecursionError) as error:
        raise LockError("is not JSON", where=str(path), why=str(error), hint="restore it from git") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        found = document.get("version") if isinstance(document, dict) else None
        raise LockError(
            f"has version {found!r}; this lambdactl reads version {VERSION}",
            where=str(path),
            hint="remove it and run `lambdactl lock`, or use the lambdactl that made it",
        )
    date, images, packages = (document.get(key) for key in ("date", "images", "packages"))
    if not (isinstance(date, str) and isinstance(images, dict) and isinstance(packages, dict)):
        raise LockError("lacks date, images or packages", where=str(path), hint="restore it from git")
    return Lock(date=date, images=images, packages=packages)


def missing(lock: Lock, project: Settings, jobs: Iterable[Job]) -> tuple[str, ...]:
    """The base image and bundles these jobs need and the lock does not hold."""
    base = () if _is_locked(lock, project.base_image) else (project.base_image,)
    return (*base, *(key for key in _bundles(jobs) if key not in lock.packages))


def check(lock: Lock, project: Settings, jobs: Iterable[Job]) -> None:
    """Refuse a lock that does not hold everything these jobs need."""
    if absent := missing(lock, project, jobs):
        raise LockError(f"lambdactl.lock does not hold {', '.join(absent)}", hint=HINT)


def resolve(
    project: Settings,
    jobs: Iterable[Job],
    existing: Lock,
    upgrade: bool = False,
    on_line: Callable[[str], None] = lambda line: None,
    today: Callable[[], datetime.date] = lambda: datetime.datetime.now(datetime.UTC).date(),
) -> Lock:
    """The lock for these jobs: entries of `existing` are kept unless `upgrade`, unused ones dropped.

    Base images of other references stay (another machine's setting); all else comes from the jobs.
    """
    images = {} if upgrade else dict(existing.images)
    if not _is_locked(replace(existing, images=images), project.base_image):
        on_line(f"locking {project.base_image}")
        images[project.base_image] = _digest(project)
    packages: dict[str, Closure] = {}
    for key, bundle in _bundles(jobs).items():
        if upgrade or key not in existing.packages:
            on_line(f"locking {key}")
            packages[key] = _closure(bundle, project.ca_bundle)
        else:
            packages[key] = existing.packages[key]
    if existing.date and images == existing.images and packages == existing.packages:
        return existing
    return Lock(date=today().isoformat(), images=images, packages=packages)


def _bundles(jobs: Iterable[Job]) -> dict[str, Bundle]:
    found = {str(bundle): bundle for job in jobs for bundle in contents(job).locked}
    return dict(sorted(found.items()))


def _is_locked(lock: Lock, reference: str) -> bool:
    return not reference or bool(oci.parse(reference).digest) or reference in lock.images


def _closure(bundle: Bundle, ca_bundle: str) -> Closure:
    if bundle.registry == "npm":
        return npm.lock(bundle.pins[0], ca_bundle)
    return pypi.lock(bundle.pins, ca_bundle)


def _digest(project: Settings) -> str:
    try:
        digest = oci.digest_of(project.base_image, ca_bundle=project.ca_bundle)
    except BuildError as unreachable:
        raise LockError(
            unreachable.what,
            where=unreachable.where,
            why=unreachable.why,
            hint=f"name a base image that can be reached: {BASE_IMAGE}, or image.base in lambdactl.yaml;"
            " docs/images.md says how to make one where there is none",
        ) from None
    if digest is None:
        raise LockError(f"there is no image {project.base_image}", hint="see image.base in lambdactl.yaml")
    return digest
