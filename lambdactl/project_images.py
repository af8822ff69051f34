"""The images of a project's jobs: what each is made of, built and pushed. Reads the lock and the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lambdactl import lock
from lambdactl.container import Engine, find
from lambdactl.errors import Refused
from lambdactl.image.context import Context, Contexts
from lambdactl.manifest.job import Job, Settings
from lambdactl.site import Site

if TYPE_CHECKING:  # publishing comes in when it is used: a plan builds nothing
    from lambdactl.aws import Aws
    from lambdactl.publish import Line


@dataclass(frozen=True, kw_only=True)
class ProjectImages:
    """`Project.images`. Without `containers` a folder stands for each image."""

    settings: Settings
    jobs: Mapping[str, Job]
    containers: bool
    sandbox: bool
    reach: Callable[[], tuple[Aws, Site]]

    def context(self, name: str) -> Context:
        """A job's build context. LockError says what lambdactl.lock lacks for this job."""
        return self.contexts([name])[name]

    def contexts(self, names: Iterable[str]) -> Mapping[str, Context]:
        """Those of several jobs; LockError says all that is missing at once."""
        jobs = [self.jobs[name] for name in names]
        lock.check(self._lock, self._built_with, jobs)
        return {job.name: self._contexts.of(job) for job in jobs}

    def push(
        self, names: Sequence[str], *, engine: str = "", on_line: Line = lambda line: None
    ) -> dict[str, str]:
        """Bring these jobs' images into the registry; job -> digest. Builds only what is not there."""
        publish = self.publisher(names, engine, on_line)
        there = self._registered()
        digests = {}
        for name, context in self.contexts(names).items():
            image = context.fingerprint
            if image not in there:
                there[image] = publish(image)
            digests[name] = there[image]
        return digests

    def pulled(self, engine: Engine, fingerprint: str) -> str:
        """The image out of the project's registry, by the engine's name for it; "" when it is not there."""
        from lambdactl.image.push import pull
        from lambdactl.publish import ecr_credentials

        aws, site = self.reach()
        parameters = {"repositoryName": site.repository, "imageIds": [{"imageTag": fingerprint}]}
        answer = aws.maybe_call("ecr", "BatchGetImage", parameters)
        if answer is None or not answer["images"]:
            return ""
        digest = answer["images"][0]["imageId"]["imageDigest"]
        return pull(engine, site.repository_uri, digest, ecr_credentials(aws))

    def publisher(self, names: Iterable[str], engine: str, on_line: Line) -> Callable[[str], str]:
        """Builds and brings to the registry the image of a fingerprint; its digest."""
        from lambdactl.publish import Local, Publisher, SandboxPublisher, Trees

        aws, site = self.reach()
        contexts = {each.fingerprint: each for each in self.contexts(names).values()}
        if not self.containers:
            trees = Trees(settings=self.settings, on_line=on_line, deadline=aws.deadline)
            return SandboxPublisher(aws=aws, site=site, contexts=contexts, local=trees)
        local = Local(engine=find(engine), settings=self.settings, on_line=on_line, deadline=aws.deadline)
        kind = SandboxPublisher if self.sandbox else Publisher
        return kind(aws=aws, site=site, contexts=contexts, local=local)

    def _registered(self) -> dict[str, str]:
        from lambdactl.kinds.look import digests

        aws, site = self.reach()
        found = digests(aws, site)
        if found is None:
            raise Refused(f"there is no repository {site.repository}", hint="`lambdactl apply` makes it")
        return found

    @cached_property
    def _contexts(self) -> Contexts:
        return Contexts(self._built_with, self._lock)

    @cached_property
    def _lock(self) -> lock.Lock:
        return lock.load(self.settings.root / "lambdactl.lock")

    @cached_property
    def _built_with(self) -> Settings:
        """A folder has no base image: none has to be locked, and none is in its fingerprint."""
        return self.settings if self.containers else replace(self.settings, base_image="")
