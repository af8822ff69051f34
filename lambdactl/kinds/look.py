"""What a kind has at hand when it reads its resources in AWS. Reads, changes nothing.

What several kinds ask for is here: our roles (the index of what exists), and the functions, in bulk or
one by one, whichever is fewer calls.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any

from lambdactl.aws import Aws, Reader
from lambdactl.deployment import Deployments
from lambdactl.engine import Mark, World
from lambdactl.errors import NotFound
from lambdactl.grants import ACCOUNT, FUNCTIONS, REPOSITORY, ROLES, Permissions, Reach, role_arns
from lambdactl.manifest.job import Job
from lambdactl.site import JOB, Site
from lambdactl.tags import unpaired

FUNCTIONS_PAGE = 50  # ListFunctions answers no more at once, whatever it is asked for
ROLES_PAGE = 1000  # botocore: GetAccountAuthorizationDetails and ListRoles, MaxItems
ROLES_MOST = 10_000  # IAM quotas: roles per account, at most
ROLE_CALLS = 4  # one role whole: GetRole, ListRolePolicies, GetRolePolicy, ListAttachedRolePolicies
LEGS_TAG = "lambdactl:legs"  # on a role that may invoke its own function: the job; the boundary reads it
STAMP_TAG = "lambdactl:stamp"  # on a role; written by the kind `stamp`, last of all
DEFINITION = re.compile(r"[0-9a-f]{64}\.json")  # what else lies in their folders is not ours
PROTECT_TAG = "lambdactl:protect"  # on a role: its job is not to be removed


def tags_of(job: Job, site: Site) -> dict[str, str]:
    """The tags of what belongs to one job."""
    protect = {PROTECT_TAG: "true"} if job.protect else {}
    return {**job.tags, **protect, **site.owner_tags}


def mark_of_tags(site: Site, tags: Mapping[str, str]) -> Mark:
    if site.owner_tags.items() <= tags.items():
        return "ours"
    return "theirs" if site.owner_tags.keys() & tags.keys() else "none"


def digests(aws: Aws | Reader, site: Site) -> dict[str, str] | None:
    """Every tag in the repository and its digest (`sha256:...`); None without a repository."""
    tagged = {"tagStatus": "TAGGED"}
    try:
        ids = aws.pages(
            "ecr", "ListImages", "imageIds", repositoryName=site.repository, filter=tagged, maxResults=1000
        )
    except NotFound:
        return None
    return {each["imageTag"]: each["imageDigest"] for each in ids if "imageTag" in each}


@dataclass(frozen=True, kw_only=True)
class Look:
    """`aws` remembers each answer. With `full` no stamp is trusted: everything is read.

    `only` is the one job to look at, for a step that is to be looked at again; "" is all.
    """

    aws: Reader
    deployments: Deployments
    wanted: World = field(default_factory=dict)
    full: bool = False
    only: str = ""
    ages: bool = False  # of images: for removing old ones that no function of the account uses

    @property
    def site(self) -> Site:
        return self.deployments.site

    def concerns(self, job: str | None) -> bool:
        return job is not None and self.only in ("", job)

    @cached_property
    def candidates(self) -> frozenset[str]:
        """The jobs that may have something in AWS: the wanted ones, and all that our roles tell of; of one
        whose role was made elsewhere only its definitions tell."""
        if self.only:
            return frozenset({self.only})
        ours = {job for name in self._our_roles if (job := self.site.job_of(name))}
        return frozenset(self._wanted_jobs | ours | self.definitions.keys())

    @cached_property
    def definitions(self) -> Mapping[str, list[Mapping[str, Any]]]:
        """The objects that hold definitions, by job."""
        site, prefix = self.site, self.site.definitions_folder
        listed = site.definitions_prefix(self.only) if self.only else prefix
        found = self.aws.maybe_pages("s3", "ListObjectsV2", "Contents", Bucket=site.bucket, Prefix=listed)
        jobs: dict[str, list[Mapping[str, Any]]] = {}
        for each in found or ():
            job, _, name = each["Key"].removeprefix(prefix).partition("/")
            if JOB.fullmatch(job) and DEFINITION.fullmatch(name):
                jobs.setdefault(job, []).append(each)
        return jobs

    @cached_property
    def functions(self) -> list[Mapping[str, Any]]:
        """Functions as ListFunctions shows them: the whole account's, or just those of the candidates."""
        if not self._one_by_one:
            return _all_functions(self.aws)
        answers = self.aws.each(self.function, sorted(self.candidates))
        return [each["Configuration"] for each in answers if each is not None]

    def function(self, job: str) -> Mapping[str, Any] | None:
        """One function whole, as GetFunction shows it; None when there is none."""
        found: Mapping[str, Any] | None = self.aws.maybe(
            "lambda", "GetFunction", FunctionName=self.site.function(job)
        )
        return found

    @cached_property
    def functions_by_name(self) -> Mapping[str, Mapping[str, Any]]:
        return {each["FunctionName"]: each for each in self.functions}

    @cached_property
    def _one_by_one(self) -> bool:
        if self.only:
            return True
        if self.ages:
            return False  # an image may go only when nobody in the account uses it
        pages = _function_pages(self.aws)
        # The wanted jobs alone may tell: then nothing waits for the roles.
        return len(self._wanted_jobs) < pages and len(self.candidates) < pages

    @cached_property
    def roles(self) -> list[Mapping[str, Any]]:
        """The candidates' roles whole, in the shape of GetAccountAuthorizationDetails."""
        return self._whole({self.site.role(job) for job in self.candidates})

    @cached_property
    def schedule_roles(self) -> Mapping[str, Mapping[str, Any]]:
        """The roles of schedules whole, by job: of the wanted ones, and all that lie under their path."""
        jobs = {each.job.name for each in self.deployments.jobs if each.job.schedule}
        names = {self.site.schedule_role(job) for job in ({self.only} if self.only else jobs)}
        if not self.only:
            names.update(self._names_under(self.site.schedule_role_path))
        roles = {self.site.job_of_schedule_role(each["RoleName"]): each for each in self._whole(names)}
        return {job: each for job, each in roles.items() if job is not None}

    def _whole(self, names: Collection[str]) -> list[Mapping[str, Any]]:
        if self._everyone is not None:
            return [each for each in self._everyone if each["RoleName"] in names]
        return [role for role in self.aws.each(self._role, sorted(names)) if role is not None]

    @cached_property
    def roles_by_name(self) -> Mapping[str, Mapping[str, Any]]:
        return {each["RoleName"]: each for each in self.roles}

    @cached_property
    def role_tags(self) -> Mapping[str, Mapping[str, str]]:
        return {each["RoleName"]: unpaired(each.get("Tags", ())) for each in self.roles}

    def protected(self, job: str) -> bool:
        """Whether the live resources say that the job is not to be removed: the role's tag does, or the
        function's where the role was made elsewhere."""
        tags = self.role_tags.get(self.site.role(job), {})
        function = self.functions_by_name.get(self.site.function(job))
        if function is not None and function["Role"] != self.site.role_arn(job):
            tags = (self.function(job) or {}).get("Tags", {})  # beside it an own role of before may be left
        return tags.get(PROTECT_TAG) == "true"

    @cached_property
    def images(self) -> Mapping[str, str]:
        """Every tag in the repository and its digest (`sha256:...`)."""
        return digests(self.aws, self.site) or {}

    @cached_property
    def tags_by_digest(self) -> Mapping[str, str]:
        return {digest: tag for tag, digest in self.images.items()}

    @cached_property
    def digests_in_use(self) -> frozenset[str]:
        functions = self.functions
        if self.ages:  # a published version runs on with the image of its time
            functions = self.aws.pages("lambda", "ListFunctions", "Functions", FunctionVersion="ALL")
        return frozenset(f"sha256:{each.get('CodeSha256', '')}" for each in functions)

    @property
    def _wanted_jobs(self) -> set[str]:
        return {each.job.name for each in self.deployments.jobs}

    @property
    def _our_roles(self) -> list[str]:
        return self._names_under(self.site.role_path)

    def _names_under(self, path: str) -> list[str]:
        """Names of the roles in just this path, ours or one below; one listing tells of all."""
        if self._many_roles:
            return [each["RoleName"] for each in self._everyone or () if each["Path"] == path]
        ours = self.site.role_path
        roles = self.aws.pages("iam", "ListRoles", "Roles", PathPrefix=ours, MaxItems=ROLES_PAGE)
        return [each["RoleName"] for each in roles if each["Path"] == path]

    @cached_property
    def _everyone(self) -> list[Mapping[str, Any]] | None:
        """The roles of the whole account; None when those of the candidates are fewer calls."""
        if self.only or not (self._many_roles or self._roles_in_bulk()):
            return None
        return _all_roles(self.aws)

    @property
    def _many_roles(self) -> bool:
        return _many_roles(len(self._wanted_jobs))

    def _roles_in_bulk(self) -> bool:
        summary = self.aws.maybe("iam", "GetAccountSummary")
        pages = ceil(int(summary["SummaryMap"]["Roles"]) / ROLES_PAGE) if summary else 1
        return ROLE_CALLS * len(self.candidates) >= pages

    def _role(self, name: str) -> Mapping[str, Any] | None:
        """None also of one that goes while it is read: steps run side by side."""
        try:
            role = self.aws.read("iam", "GetRole", RoleName=name)["Role"]
            inline = self.aws.pages("iam", "ListRolePolicies", "PolicyNames", RoleName=name)
            attached = self.aws.pages("iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=name)
            documents = self.aws.each(lambda policy: self._policy(name, policy), inline)
        except NotFound:
            return None
        return {**role, "RolePolicyList": documents, "AttachedManagedPolicies": attached}

    def _policy(self, role: str, policy: str) -> Mapping[str, Any]:
        return dict(self.aws.read("iam", "GetRolePolicy", RoleName=role, PolicyName=policy))


def begin_functions(aws: Reader, jobs: int) -> None:
    """What a plan of so many jobs asks about functions in any case."""
    if jobs >= _function_pages(aws):
        _all_functions(aws)


def begin_roles(aws: Reader, jobs: int) -> None:
    """What a plan of so many jobs asks about roles in any case."""
    if _many_roles(jobs):
        _all_roles(aws)


def _function_pages(aws: Reader) -> int:
    settings = aws.maybe("lambda", "GetAccountSettings")
    return ceil(int((settings or {}).get("AccountUsage", {}).get("FunctionCount", 0)) / FUNCTIONS_PAGE)


def _all_functions(aws: Reader) -> list[Mapping[str, Any]]:
    return aws.pages("lambda", "ListFunctions", "Functions")


def _all_roles(aws: Reader) -> list[Mapping[str, Any]]:
    return aws.pages(
        "iam", "GetAccountAuthorizationDetails", "RoleDetailList", Filter=["Role"], MaxItems=ROLES_PAGE
    )


def _many_roles(jobs: int) -> bool:
    """So many that no account is large enough to make them cheaper one by one."""
    return ROLE_CALLS * jobs >= ROLES_MOST / ROLES_PAGE


def _named(site: Site) -> Mapping[str, Any]:
    """Also without our path: IAM knows the path of no role that is not there, and would say "denied"
    instead of "absent" (*unverified*)."""
    return {"Resource": [role_arns(site), f"arn:{site.partition}:iam::{site.account}:role/{site.role('*')}"]}


NAMED_ROLES = Reach(sid="RolesByName", limits=_named)
PERMISSIONS = Permissions(
    reads={
        "ecr.ListImages": {"ecr:ListImages": REPOSITORY},
        "iam.GetAccountAuthorizationDetails": {"iam:GetAccountAuthorizationDetails": ACCOUNT},
        "iam.GetAccountSummary": {"iam:GetAccountSummary": ACCOUNT},
        "iam.GetRole": {"iam:GetRole": NAMED_ROLES},
        "iam.GetRolePolicy": {"iam:GetRolePolicy": ROLES},
        "iam.ListAttachedRolePolicies": {"iam:ListAttachedRolePolicies": ROLES},
        "iam.ListRolePolicies": {"iam:ListRolePolicies": ROLES},
        "iam.ListRoles": {"iam:ListRoles": ACCOUNT},
        "lambda.GetAccountSettings": {"lambda:GetAccountSettings": ACCOUNT},
        # Without ListTags the answer is the same, but has no tags: they would look gone.
        "lambda.GetFunction": {"lambda:GetFunction": FUNCTIONS, "lambda:ListTags": FUNCTIONS},
        "lambda.ListFunctions": {"lambda:ListFunctions": ACCOUNT},
    }
)
