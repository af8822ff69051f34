"""The build context of a job's image: one value with a fingerprint. Reads the project's files, writes none.

The fingerprint is a hash of everything that decides the image's content: the context's files, the
Dockerfile, the base image's digest and the architecture. Names, prompts, environments, secrets, file
dates and absolute paths are not in it, so jobs of equal content share one image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lambdactl import bundled
from lambdactl.errors import BuildError
from lambdactl.image import npm, oci, pypi
from lambdactl.image.contents import TOOLS, Bundle, Contents, contents
from lambdactl.image.dockerfile import dockerfile
from lambdactl.image.files import File
from lambdactl.image.include import included
from lambdactl.lock import Lock
from lambdactl.manifest.job import Architecture, Job, Settings

INSTALLER = Path(__file__).with_name("install.py")


@dataclass(frozen=True, kw_only=True)
class Context:
    base: str  # reference with digest
    architecture: Architecture
    dockerfile: str
    files: Mapping[str, File] = field(repr=False)  # without Dockerfile and fingerprint
    bundles: tuple[str, ...]  # folders of the context, in the order of installation
    node: bool
    apt: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits; the image's tag, and the text of /opt/lambdactl/fingerprint."""
        description = {
            "architecture": self.architecture,
            "base": oci.parse(self.base).digest,
            "dockerfile": self.dockerfile,
            "files": {path: [file.sha256, file.executable] for path, file in self.files.items()},
        }
        return hashlib.sha256(_json(description).encode()).hexdigest()

    @property
    def all_files(self) -> dict[str, File]:
        return {
            **self.files,
            "Dockerfile": File(self.dockerfile.encode()),
            "fingerprint": File(self.fingerprint.encode()),
        }


class Contexts:
    """The contexts of a project's jobs: jobs of equal content share one, and files are read once.

    `agent_source` is the supervisor, default our own.
    """

    def __init__(self, project: Settings, lock: Lock, agent_source: Path | None = None) -> None:
        self._project, self._lock = project, lock
        self._agent_source = agent_source or bundled.agent_source()
        self._made: dict[tuple[Contents, tuple[str, ...], Architecture], Context] = {}

    def of(self, job: Job) -> Context:
        """Everything `docker build` needs for this job."""
        wanted = contents(job)
        key = (wanted, job.include, job.architecture)
        if key not in self._made:
            # Made of nothing but the key and the project, so that sharing it is right.
            self._made[key] = self._context(wanted, included(job, self._project.root), job.architecture)
        return self._made[key]

    def _context(self, wanted: Contents, own: Mapping[str, File], architecture: Architecture) -> Context:
        _refuse_clashes(wanted)
        first = tuple(_folder(bundle) for bundle in wanted.first)
        bundles = tuple(_folder(bundle) for bundle in wanted.bundles)
        files = {
            **self._shared_files,
            "links.json": File(_json(_links(wanted)).encode()),
            **{f"files/{path}": file for path, file in own.items()},
        }
        for bundle in (*wanted.first, *wanted.bundles):
            for name, text in _bundle(bundle, self._lock.closure(bundle)).items():
                files[f"{_folder(bundle)}/{name}"] = File(text.encode())
        files = dict(sorted(files.items()))
        return Context(
            base=self._lock.base(self._project.base_image),
            architecture=architecture,
            dockerfile=dockerfile(
                architecture=architecture,
                files=files,
                first=first,
                apt=wanted.apt,
                bundles=bundles,
                node=wanted.needs_node,
            ),
            files=files,
            bundles=(*first, *bundles),
            node=wanted.needs_node,
            apt=wanted.apt,
        )

    @cached_property
    def _shared_files(self) -> Mapping[str, File]:
        """What is in every context."""
        agent = source(self._agent_source)
        return {
            "install.py": File(INSTALLER.read_bytes()),
            "tools.txt": File(pypi.requirements(self._lock.closure(TOOLS)).encode()),
            **{f"agent/{path}": file for path, file in agent.items()},
        }


def context(job: Job, project: Settings, lock: Lock, agent_source: Path | None = None) -> Context:
    """Everything `docker build` needs for this one job."""
    return Contexts(project, lock, agent_source).of(job)


def source(folder: Path) -> dict[str, File]:
    """A Python package's files, without what Python leaves beside them."""
    return {
        path.relative_to(folder).as_posix(): File(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _folder(bundle: Bundle) -> str:
    return f"packages/{bundle.prefix}"


def _bundle(bundle: Bundle, closure: Mapping[str, Any]) -> dict[str, str]:
    """The files of one bundle in the context."""
    about = {"bundle": str(bundle), "registry": bundle.registry, "prefix": bundle.prefix}
    if bundle.registry == "pypi":
        about["python"] = closure["python"]
        return {"bundle.json": _json(about), "requirements.txt": pypi.requirements(closure)}
    package = bundle.pins[0]
    return {
        "bundle.json": _json({**about, "scripts": bundle.scripts, "unused": bundle.unused}),
        "package.json": _json(npm.manifest(package)),
        "package-lock.json": _json(npm.package_lock(package, closure)),
    }


def _links(wanted: Contents) -> list[dict[str, Any]]:
    return [
        {
            "path": link.path,
            "prefix": link.prefix,
            "registry": link.package.registry,
            "name": link.package.name,
            "executable": link.executable,
            "natives": dict(link.natives),
        }
        for link in wanted.links
    ]


def _refuse_clashes(wanted: Contents) -> None:
    """`@a/b` and `a-b` make the same folder: rare, and never to be guessed about."""
    seen: dict[str, Bundle] = {}
    for bundle in (*wanted.first, *wanted.bundles):
        other = seen.setdefault(bundle.prefix, bundle)
        if other != bundle:
            raise BuildError(f"{bundle} and {other} would be installed into the same folder")


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
