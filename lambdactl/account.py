"""The AWS account, or the sandbox, that a project goes to: the one place where an `Aws` is made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdactl.errors import Refused, UsageError
from lambdactl.manifest.job import Settings
from lambdactl.site import BUCKET_MAX, Site, aws_registry, bucket_name

if TYPE_CHECKING:
    from lambdactl.aws import Aws

OFFLINE_ACCOUNT = "000000000000"


def connect(settings: Settings, *, sandbox: bool, time_limit: float | None) -> Aws:
    """AWS as the settings and the standard configuration say; or the sandbox, and then nothing else.

    Asks nothing yet, and whoever is to ask checks the account first (`check`).
    """
    from lambdactl.aws import Aws, Endpoint

    if sandbox:
        from lambdactl.sandbox import endpoint

        where = endpoint(settings.root)
        return Aws(
            time_limit=time_limit,
            endpoint=Endpoint(
                url=where.url,
                region=where.region,
                access_key=where.access_key,
                secret_key=where.secret_key,
            ),
        )
    return Aws(region=settings.region, time_limit=time_limit)


def check(settings: Settings, aws: Aws, *, sandbox: bool) -> None:
    """Where lambdactl.yaml names the account, AWS is asked first whose credentials these are, and nothing
    else while it is another's: Refused."""
    if not sandbox and settings.account and settings.account != aws.account:
        raise Refused(
            f"the credentials belong to account {aws.account}, lambdactl.yaml says {settings.account}",
            hint="log in to the right account; nothing was read or changed",
        )


def site(settings: Settings, aws: Aws, *, sandbox: bool) -> Site:
    """Where the project is, in the account that `aws` talks to."""
    if sandbox:
        from lambdactl.sandbox import endpoint

        where = endpoint(settings.root)
        return site_at(settings, where.account, where.region, where.registry)
    return site_at(settings, aws.account, aws.region, aws_registry(aws.account, aws.region))


def offline_site(settings: Settings) -> Site:
    """The site as far as it is known without asking anybody."""
    region, account = settings.region or "us-east-1", settings.account or OFFLINE_ACCOUNT
    return site_at(settings, account, region, aws_registry(account, region))


def site_at(settings: Settings, account: str, region: str, registry: str) -> Site:
    """The site as it would be in this account and region."""
    name, environment = settings.name, settings.environment
    bucket = settings.bucket or bucket_name(name, environment, account, region)
    if len(bucket) > BUCKET_MAX:
        raise UsageError(
            f"the bucket's name would be {bucket}: {len(bucket)} characters, S3 takes {BUCKET_MAX}",
            hint="name one yourself with `bucket:` in lambdactl.yaml",
        )
    return Site(
        project=name,
        environment=environment,
        account=account,
        region=region,
        bucket=bucket,
        registry=registry,
        permissions_boundary=settings.permissions_boundary,
        kms_key=settings.kms_key,
    )
