"""The stamp: a hash, written last as a tag of the role, of what bulk reads of a function cannot show.

While it matches what is wanted, those settings are trusted; without it the function is read in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Call, Effect, Resource, computed
from lambdactl.grants import ROLES, Permissions
from lambdactl.kinds import role as roles
from lambdactl.kinds.function import Function
from lambdactl.kinds.look import Look
from lambdactl.tags import pairs, unpaired


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp(Resource):
    kind: ClassVar[str] = "stamp"

    role_name: str = computed()
    value: str

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        for function in Function.wanted(deployments):
            yield cls(name=function.name, role_name=function.role_name, value=function.stamp)

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        functions = {each["FunctionName"] for each in look.functions}
        for detail in roles.details(look):
            if detail["RoleName"] not in functions:
                continue  # vouches for nothing; the role's own kind takes the tag away
            job = look.site.job_of(detail["RoleName"])
            value = unpaired(detail.get("Tags", ())).get(roles.STAMP_TAG)
            if job and value:
                yield cls(name=job, role_name=detail["RoleName"], value=value)

    def needs(self) -> tuple[Address, ...]:
        return (Address("function", self.name),)

    def create(self) -> Iterator[Effect]:
        tags = pairs({roles.STAMP_TAG: self.value})
        yield Call(service="iam", operation="TagRole", parameters={"RoleName": self.role_name, "Tags": tags})

    def update(self, found: Self) -> Iterator[Effect]:
        yield from self.create()

    def delete(self) -> Iterator[Effect]:
        yield from ()  # it goes with the role


PERMISSIONS = Permissions(writes={"iam.TagRole": {"iam:TagRole": ROLES}})
