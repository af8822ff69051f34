"""What the same work costs without lambdactl: the script that somebody would write, with the minimal calls.

A process of its own, which imports boto3 and nothing of ours. Its jobs are in the code: it reads no manifest,
checks nothing, owns nothing, shows nothing.

python bare.py plan|change|create COUNT PROJECT IMAGE
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

THREADS = 32
ACCOUNT = "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Lambda",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Script:
    def __init__(self, count: int, project: str, image: str) -> None:
        self.image = image
        self.stem = f"{project}-main-"
        self.names = [f"{self.stem}job-{number:04}" for number in range(count)]
        # As this script's author would after the first throttle.
        config = Config(retries={"mode": "standard", "total_max_attempts": 10}, max_pool_connections=THREADS)
        session = boto3.Session()
        # Made one after the other: making clients in threads is slower.
        self.lambda_, self.iam, self.logs, self.ecr = (
            session.client(service, config=config) for service in ("lambda", "iam", "logs", "ecr")
        )
        self.repository = f"lambdactl/{project}/main"

    def function(self, name: str, memory: int = 3072) -> dict[str, Any]:
        return {
            "FunctionName": name,
            "Role": f"arn:aws:iam::{ACCOUNT}:role/{name}",
            "MemorySize": memory,
            "Timeout": 600,
        }

    def policy(self, name: str) -> str:
        resource = f"arn:aws:logs:*:{ACCOUNT}:log-group:/aws/lambda/{name}:*"
        actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def plan(self) -> set[str]:
        """The names of what differs, read in bulk."""
        with ThreadPoolExecutor(THREADS) as pool:
            functions = pool.submit(self._pages, self.lambda_, "list_functions", "Functions")
            roles = pool.submit(
                self._pages,
                self.iam,
                "get_account_authorization_details",
                "RoleDetailList",
                Filter=["Role"],
                MaxItems=1000,
            )
            prefix = f"/aws/lambda/{self.stem}"
            groups = pool.submit(
                self._pages, self.logs, "describe_log_groups", "logGroups", logGroupNamePrefix=prefix
            )
            images = pool.submit(
                self._pages, self.ecr, "list_images", "imageIds", repositoryName=self.repository
            )
            by_name = {each["FunctionName"]: each for each in functions.result()}
            role_names = {each["RoleName"]: each for each in roles.result()}
            retention = {each["logGroupName"]: each.get("retentionInDays") for each in groups.result()}
            digests = {each["imageDigest"] for each in images.result()}
        different = set()
        for name in self.names:
            found, role = by_name.get(name), role_names.get(name)
            wanted = self.function(name)
            if (
                found is None
                or role is None
                or found["MemorySize"] != wanted["MemorySize"]
                or found["Timeout"] != wanted["Timeout"]
                or f"sha256:{found.get('CodeSha256')}" not in digests
                or retention.get(f"/aws/lambda/{name}") != 30
                or not role["RolePolicyList"]
            ):
                different.add(name)
        return different

    def create(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._create, self.names))

    def change(self) -> None:
        self.plan()
        self.lambda_.update_function_configuration(**self.function(self.names[0], memory=4096))

    def _create(self, name: str) -> None:
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        self.iam.put_role_policy(RoleName=name, PolicyName="job", PolicyDocument=self.policy(name))
        self.logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
        self.logs.put_retention_policy(logGroupName=f"/aws/lambda/{name}", retentionInDays=30)
        self.lambda_.create_function(
            **self.function(name),
            PackageType="Image",
            Code={"ImageUri": self.image},
            Tags={"project": self.stem},
        )

    @staticmethod
    def _pages(client: Any, operation: str, key: str, **parameters: Any) -> list[Any]:
        pages = client.get_paginator(operation).paginate(**parameters)
        return [each for page in pages for each in page[key]]


def main() -> None:
    what, count, project, image = sys.argv[1:]
    script = Script(int(count), project, image)
    if what == "plan":
        different = script.plan()
        sys.exit(f"{len(different)} differ" if different else 0)
    getattr(script, what)()


if __name__ == "__main__":
    main()
