"""What a plan is asked to look at and may do. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from lambdactl.engine import Address, Choice, Plan, Resource, World
from lambdactl.errors import UsageError
from lambdactl.kinds import SHARED
from lambdactl.kinds.image import Image
from lambdactl.manifest.job import known

DAYS_MAX = 36_500
FEW, SHARE = 5, 0.3  # jobs that may go at once: the larger of a few and a share of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`prune` removes jobs that left git; `prune_logs` also their log groups, and `prune_images` (days)
    images at least so old that no function uses. `targets` and `excludes` are globs of job names."""

    prune: bool = False
    prune_logs: bool = False
    prune_images: int | None = None
    allow_mass_prune: bool = False
    adopt: bool = False
    full: bool = False
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def narrowed(self) -> bool:
        return bool(self.targets or self.excludes)

    def choice(self, now: datetime) -> Choice:
        return Choice(
            remove=self.prune,
            remove_data=lambda resource: self._may_go(resource, now),
            adopt=self.adopt,
            chosen=self._chosen if self.narrowed else lambda address: True,
        )

    def takes(self, job: str) -> bool:
        """Whether a job of this name is chosen."""
        taken = not self.targets or any(fnmatchcase(job, each) for each in self.targets)
        return taken and not any(fnmatchcase(job, each) for each in self.excludes)

    def check(self, jobs: Collection[str]) -> None:
        """A pattern that matches no job is a mistake, and would otherwise pass in silence."""
        for pattern in (*self.targets, *self.excludes):
            if not any(fnmatchcase(job, pattern) for job in jobs):
                raise UsageError(f"no job matches {pattern}", hint=known(pattern, jobs))
        if self.narrowed and not any(map(self.takes, jobs)):
            raise UsageError("--exclude leaves none of the jobs that --target takes")

    def _chosen(self, address: Address) -> bool:
        # What all jobs share comes along where a chosen job needs it.
        return address.kind not in SHARED and self.takes(address.name)

    def _may_go(self, resource: Resource, now: datetime) -> bool:
        if isinstance(resource, Image):
            old = self.prune_images is not None and resource.pushed is not None
            return old and not resource.used and now - resource.pushed >= timedelta(days=self.prune_images)  # type: ignore[arg-type, operator]
        return resource.kind == "log_group" and self.prune_logs


def now() -> datetime:
    return datetime.now(UTC)


def mass_removal(found: World, plan: Plan, scope: Scope, jobs: int) -> tuple[str, ...]:
    """Why this many removals at once are more likely a mistake; () when they are not.

    Most often somebody ran in the wrong folder, or on a branch without the manifests.
    """
    removed = [step.found for step in plan.steps if step.action == "delete" and step.found is not None]
    # A part (a schedule taken out of its manifest) does not make its job one that goes.
    going = {each.name for each in removed if not each.shared and each.part_of() is None}
    there = {each.name for each in found.values() if each.owned and not each.shared and not each.data}
    if scope.allow_mass_prune or not going:
        return ()
    how = "pass --allow-mass-prune if that is meant"
    if jobs == 0:
        return (f"no manifest is left, and {_jobs(len(going))} would go; {how}",)
    if len(going) > max(FEW, SHARE * len(there)) or (len(there) > 1 and going == there):
        return (f"{len(going)} of {_jobs(len(there))} would go at once; {how}",)
    return ()


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
