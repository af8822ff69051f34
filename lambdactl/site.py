"""Where a project lives in AWS: computes every name and ARN. Pure.

No name is discovered during apply, so there is no state file. A function and its role are
`<project>-<env>-<job>`; project and environment hold no hyphen, which makes the split unambiguous.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Lambda: FunctionName 64 characters; IAM: RoleName 64. (botocore models)
NAME_MAX = 64
# With a dot, which no job's name has: the role of a schedule is never taken for that of a job.
SCHEDULE_ROLE_SUFFIX = ".schedule"
# What a job can be called. Names of others may begin as ours do (`/aws/lambda/demo-main-a/b`).
JOB = re.compile(r"[a-z0-9][a-z0-9-]*")
BUCKET_MAX = 63  # S3: bucket naming rules


def partition_of(region: str) -> str:
    """The AWS partition a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    project: str
    environment: str
    account: str  # 12 digits
    region: str
    bucket: str
    registry: str  # host of the image registry, without a repository
    permissions_boundary: str = ""
    kms_key: str = ""

    def __str__(self) -> str:
        return f"{self.project}/{self.environment} in {self.account} {self.region}"

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    @property
    def stem(self) -> str:
        return f"{self.project}-{self.environment}-"

    def function(self, job: str) -> str:
        return f"{self.stem}{job}"

    def job_of(self, function: str) -> str | None:
        """The job a function or role of ours belongs to, or None when the name is not ours."""
        job = function.removeprefix(self.stem)
        ours = function.startswith(self.stem) and len(function) <= NAME_MAX and JOB.fullmatch(job)
        return job if ours else None

    def function_arn(self, job: str) -> str:
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{self.function(job)}"

    role = function

    @property
    def role_path(self) -> str:
        return f"/lambdactl/{self.project}/{self.environment}/"

    def role_arn(self, job: str) -> str:
        return f"arn:{self.partition}:iam::{self.account}:role{self.role_path}{self.role(job)}"

    def schedule_role(self, job: str) -> str:
        """The role that EventBridge Scheduler assumes to start the job."""
        return f"{self.function(job)}{SCHEDULE_ROLE_SUFFIX}"

    def job_of_schedule_role(self, role: str) -> str | None:
        """The job whose schedule has a role of this name, or None when the name is none of ours."""
        function = role.removesuffix(SCHEDULE_ROLE_SUFFIX)
        return self.job_of(function) if function != role else None

    @property
    def schedule_role_path(self) -> str:
        return f"{self.role_path}schedule/"

    def schedule_role_arn(self, job: str) -> str:
        role = f"{self.schedule_role_path}{self.schedule_role(job)}"
        return f"arn:{self.partition}:iam::{self.account}:role{role}"

    @property
    def schedule_group(self) -> str:
        return self.stem.removesuffix("-")

    @property
    def schedule_group_arn(self) -> str:
        return f"{self._scheduler}:schedule-group/{self.schedule_group}"

    schedule = function

    def schedule_arn(self, job: str) -> str:
        return f"{self._scheduler}:schedule/{self.schedule_group}/{self.schedule(job)}"

    @property
    def _scheduler(self) -> str:
        return f"arn:{self.partition}:scheduler:{self.region}:{self.account}"

    def log_group(self, job: str) -> str:
        return f"/aws/lambda/{self.function(job)}"

    def log_group_arn(self, job: str) -> str:
        return f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:{self.log_group(job)}"

    def parameter_arn(self, name: str) -> str:
        return f"arn:{self.partition}:ssm:{self.region}:{self.account}:parameter/{name.removeprefix('/')}"

    @property
    def bucket_arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def own_prefix(self) -> str:
        """Ours in the bucket: definitions, lock, history. No job may write here."""
        return f".lambdactl/{self.project}/{self.environment}/"

    @property
    def apply_lock_key(self) -> str:
        return f"{self.own_prefix}apply.lock"

    @property
    def applied_key(self) -> str:
        return f"{self.own_prefix}applied.json"

    @property
    def history_prefix(self) -> str:
        return f"{self.own_prefix}history/"

    @property
    def definitions_folder(self) -> str:
        return f"{self.own_prefix}jobs/"

    def definitions_prefix(self, job: str) -> str:
        return f"{self.definitions_folder}{job}/"

    def definition_key(self, job: str, sha256: str) -> str:
        return f"{self.definitions_prefix(job)}{sha256}.json"

    @property
    def repository(self) -> str:
        """The ECR repository's name: one for each project and environment."""
        return f"lambdactl/{self.project}/{self.environment}"

    @property
    def repository_uri(self) -> str:
        return f"{self.registry}/{self.repository}"

    @property
    def repository_arn(self) -> str:
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{self.repository}"

    @property
    def owner_tags(self) -> dict[str, str]:
        """The ownership mark on everything that can carry tags."""
        return {"lambdactl:project": self.project, "lambdactl:environment": self.environment}


def bucket_name(project: str, environment: str, account: str, region: str) -> str:
    """The bucket of a project that names none."""
    return f"{project}-{environment}-{account}-{region}"


def aws_registry(account: str, region: str) -> str:
    suffix = "amazonaws.com.cn" if partition_of(region) == "aws-cn" else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}"
