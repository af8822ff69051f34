"""A role made elsewhere, and who else may take the job's own. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding

_OURS = "lambdactl/"  # the path of the roles that lambdactl makes, and removes


def role(draft: Draft) -> Iterator[Finding]:
    if "role" not in draft.value:
        return
    account, _, name = draft.value["role"].split(":", 4)[4].partition(":role/")
    wanted = draft.project.account
    if wanted and account != wanted:
        what = f"the role is in account {account}, the project in {wanted}"
        yield Finding(("role",), what, "Lambda takes roles of its own account only")
    if name.startswith(_OURS):
        what = f"the role is in /{_OURS}, where lambdactl makes and removes roles itself"
        yield Finding(("role",), what, "name one that is made elsewhere, or none")


def local_dev(draft: Draft) -> Iterator[Finding]:
    if "localDev" in draft.value and "role" in draft.value:
        what = "localDev is about the job's own role, and this job has one that is made elsewhere"
        yield Finding(
            ("localDev",), what, "say in that role's trust who may take it; remove localDev", key=True
        )
