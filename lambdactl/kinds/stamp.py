"""The stamp: a hash of a function, written last of all, as a tag of its role.

While it matches what is wanted, what bulk reads cannot show is trusted; without it the function is read
in full. A job with a role made elsewhere has none: its function always is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Call, Effect, Resource, computed
from lambdactl.grants import ROLES, Permissions
from lambdactl.kinds.function import Function
from lambdactl.kinds.look import STAMP_TAG, Look
from lambdactl.tags import pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp(Resource):
    kind: ClassVar[str] = "stamp"
    bookkeeping: ClassVar[bool] = True

    role_name: str = computed()
    value: str

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        own_roles = (each for each in deployments.jobs if not each.job.role)
        for function in Function.wanted(replace(deployments, jobs=tuple(own_roles))):
            yield cls(name=function.name, role_name=function.role_name, value=function.stamp)

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        for name, tags in look.role_tags.items():
            job, value = look.site.job_of(name), tags.get(STAMP_TAG)
            if name not in look.functions_by_name:
                continue  # vouches for nothing; the role's own kind takes the tag away
            if job and value and _holds(look, job, value):
                yield cls(name=job, role_name=name, value=value)

    def needs(self) -> tuple[Address, ...]:
        return (Address("function", self.name),)

    def part_of(self) -> Address:
        return Address("function", self.name)

    def create(self) -> Iterator[Effect]:
        tags = pairs({STAMP_TAG: self.value})
        yield Call(service="iam", operation="TagRole", parameters={"RoleName": self.role_name, "Tags": tags})

    def update(self, found: Self) -> Iterator[Effect]:
        yield from self.create()

    def delete(self) -> Iterator[Effect]:
        yield from ()  # it goes with the role


def _holds(look: Look, job: str, value: str) -> bool:
    """False for a stamp that says what is wanted, of a function that is not so: the function's own step
    takes it away before it begins, and a new one is to be written after it."""
    wanted = look.wanted.get(Address("function", job))
    if not isinstance(wanted, Function) or wanted.stamp != value:
        return True
    found = Function.found(look, job, look.functions_by_name[look.site.function(job)], wanted)
    return found.settings == wanted.settings and not found.broken


PERMISSIONS = Permissions(writes={"iam.TagRole": {"iam:TagRole": ROLES}})
