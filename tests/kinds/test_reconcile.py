"""Plan and apply against emulated AWS: what is wanted comes true, once, and only once."""

from __future__ import annotations

from typing import Any

import pytest

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Failed, Plan, Skipped
from lambdactl.errors import Refused
from lambdactl.manifest.job import Agent
from lambdactl.reconcile import carry_out, plan, plan_destroy
from lambdactl.scope import Scope
from tests.support.cloud import SITE, Cloud, builder, deployments, job


def applied(cloud: Cloud, wanted: Deployments, made: Plan | None = None, **scope: Any) -> Plan:
    aws = cloud.aws()
    made = made or plan(aws, wanted, Scope(**scope))
    events = list(carry_out(aws, wanted, made, builder(cloud)))
    assert [str(event.error) for event in events if isinstance(event, Failed)] == []
    assert not [event for event in events if isinstance(event, Skipped)]
    return made


def steps(made: Plan) -> list[str]:
    return [f"{step.action} {step.address.kind}" for step in made.steps]


def changed(made: Plan) -> list[str]:
    return [f"{step.address.kind}.{delta.field}" for step in made.steps for delta in step.deltas]


def test_a_new_project_is_created_whole_and_the_second_apply_changes_nothing(cloud: Cloud) -> None:
    wanted = deployments(job(), job("review", concurrency=5))
    made = applied(cloud, wanted)
    assert set(steps(made)) == {
        f"create {kind}"
        for kind in ("bucket", "repository", "image", "definition", "role", "log_group", "function", "stamp")
    }
    cloud.record.reset()
    again = applied(cloud, wanted)
    told = [step for step in made.steps if step.address.kind != "stamp"]
    assert (again.steps, again.unchanged) == ((), len(told))
    assert cloud.writes() == []


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"timeout": 700}, ["function.timeout", "stamp.value"]),
        ({"memory": 4096}, ["function.memory", "stamp.value"]),
        ({"description": "new"}, ["function.description", "stamp.value"]),
        ({"retries": 0}, ["function.retries", "stamp.value"]),
        ({"concurrency": 7}, ["function.concurrency", "stamp.value"]),
        ({"log_retention_days": 7}, ["log_group.retention_days"]),
        ({"tags": {"team": "infra"}}, ["function.tags.team", "role.tags.team", "stamp.value"]),
        (
            {"agent": Agent(type="command", command=("true",), prompt="another")},
            ["definition.document.prompt", "function.environment.LAMBDACTL_DEFINITION", "stamp.value"],
        ),
        ({"secrets": {}}, ["role.policies.job.Statement"]),
        ({"local_principals": (f"arn:aws:iam::{SITE.account}:root",)}, ["role.trust.Statement"]),
    ],
)
def test_one_change_is_one_difference_and_comes_true(
    cloud: Cloud, change: dict[str, Any], fields: list[str]
) -> None:
    applied(cloud, deployments(job()))
    wanted = deployments(job(**change))
    made = applied(cloud, wanted)
    assert sorted(changed(made)) == fields
    assert {step.action for step in made.steps} == {"update"}
    assert plan(cloud.aws(), wanted).steps == ()


@pytest.mark.parametrize("cloud", ["ministack"], indirect=True)  # moto keeps no LoggingConfig
def test_the_log_format_is_a_setting_of_the_function(cloud: Cloud) -> None:
    applied(cloud, deployments(job()))
    wanted = deployments(job(log_format="JSON"))
    assert sorted(changed(applied(cloud, wanted))) == ["function.log_format", "stamp.value"]
    assert plan(cloud.aws(), wanted).steps == ()


@pytest.mark.parametrize("cloud", ["ministack"], indirect=True)  # moto updates hardly any of it
def test_what_somebody_set_in_a_function_is_a_difference_and_goes(cloud: Cloud) -> None:
    wanted = deployments(job())
    applied(cloud, wanted)
    name, queue = SITE.function("triage"), f"arn:aws:sqs:us-east-1:{SITE.account}:q"
    functions = cloud.client("lambda")
    functions.update_function_configuration(
        FunctionName=name,
        ImageConfig={"EntryPoint": ["/bin/sh", "-c", "steal a-secret"], "Command": []},
        DeadLetterConfig={"TargetArn": queue},
        KMSKeyArn=f"arn:aws:kms:us-east-1:{SITE.account}:key/k",
        TracingConfig={"Mode": "Active"},
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        FileSystemConfigs=[
            {
                "Arn": f"arn:aws:elasticfilesystem:us-east-1:{SITE.account}:access-point/a",
                "LocalMountPath": "/mnt/a",
            }
        ],
    )
    made = applied(cloud, wanted)
    beside = [
        "DeadLetterConfig",
        "FileSystemConfigs",
        "ImageConfig",
        "KMSKeyArn",
        "TracingConfig",
        "VpcConfig",
    ]
    assert changed(made) == [f"function.beside.{name}" for name in beside]
    assert "a-secret" not in repr(made)
    assert plan(cloud.aws(), wanted, Scope(full=True)).steps == ()
    functions.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=job().retries,
        MaximumEventAgeInSeconds=job().max_event_age,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )
    made = applied(cloud, wanted, full=True)
    assert changed(made) == ["function.destinations.OnFailure", "stamp.value"]
    assert plan(cloud.aws(), wanted, Scope(full=True)).steps == ()


def test_a_new_image_is_built_and_the_function_follows_it(cloud: Cloud) -> None:
    applied(cloud, deployments(job(), image="a" * 32))
    wanted = deployments(job(), image="b" * 32)
    made = applied(cloud, wanted)
    assert sorted(steps(made)) == ["create image", "update function", "update stamp"]
    again = plan(cloud.aws(), wanted)
    assert again.steps == ()
    assert again.kept == (Address("image", "a" * 32),)


def test_a_job_that_left_is_shown_and_removed_only_by_prune(cloud: Cloud) -> None:
    applied(cloud, deployments(job(), job("gone")))
    rest = deployments(job())
    made = applied(cloud, rest)
    assert made.steps == ()
    assert {address.kind for address in made.orphans} == {"definition", "role", "function", "stamp"}
    assert made.kept == (Address("log_group", "gone"),)
    pruned = applied(cloud, rest, prune=True)
    assert set(steps(pruned)) == {"delete definition", "delete role", "delete function", "delete stamp"}
    final = plan(cloud.aws(), rest)
    assert (final.steps, final.orphans, final.kept) == ((), (), (Address("log_group", "gone"),))


def test_a_foreign_function_under_our_name_is_refused_before_anything_changes(cloud: Cloud) -> None:
    role = cloud.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument='{"Statement": []}')
    cloud.client("lambda").create_function(
        FunctionName=SITE.function("triage"),
        Role=role["Role"]["Arn"],
        PackageType="Image",
        Code={"ImageUri": f"{SITE.repository_uri}@sha256:" + "1" * 64},
    )
    cloud.record.reset()
    aws = cloud.aws()
    wanted = deployments(job())
    made = plan(aws, wanted)
    assert made.refused == (Address("function", "triage"),)
    with pytest.raises(Refused, match=r"function\.triage"):
        list(carry_out(aws, wanted, made, builder(cloud)))
    assert cloud.writes() == []


def test_a_foreign_role_and_a_foreign_bucket_are_refused_too(cloud: Cloud) -> None:
    cloud.client("iam").create_role(
        RoleName=SITE.role("triage"), AssumeRolePolicyDocument='{"Statement": []}'
    )
    cloud.client("s3").create_bucket(Bucket=SITE.bucket)
    cloud.client("ecr").create_repository(repositoryName=SITE.repository)
    made = plan(cloud.aws(), deployments(job()))
    assert {address.kind for address in made.refused} == {"role", "bucket", "repository"}


def test_a_bucket_that_the_user_named_is_used_as_it_is(cloud: Cloud) -> None:
    cloud.client("s3").create_bucket(Bucket=SITE.bucket)
    wanted = Deployments(site=SITE, jobs=deployments(job()).jobs, bucket_named=True)
    made = applied(cloud, wanted)
    assert "create bucket" not in steps(made)
    assert made.refused == ()
    assert "s3.PutBucketTagging" not in cloud.writes()


def test_destroy_removes_what_is_ours_and_keeps_data_unless_told(cloud: Cloud) -> None:
    wanted = deployments(job(), job("review"))
    applied(cloud, wanted)
    made = plan_destroy(cloud.aws(), wanted)
    assert {address.kind for address in made.kept} == {"log_group", "image", "repository"}
    applied(cloud, wanted, made)
    assert cloud.client("lambda").list_functions()["Functions"] == []
    everything = plan_destroy(cloud.aws(), wanted, data=True)
    assert set(steps(everything)) == {"delete log_group", "delete image", "delete repository"}
    applied(cloud, wanted, everything)
    assert [each["Name"] for each in cloud.client("s3").list_buckets()["Buckets"]] == [SITE.bucket]
    # Run folders were written by jobs, not by us: they stay. Our own definitions went with their jobs.
    assert cloud.client("s3").list_objects_v2(Bucket=SITE.bucket)["KeyCount"] == 0


def test_a_function_deleted_by_somebody_is_made_again_with_all_its_settings(cloud: Cloud) -> None:
    wanted = deployments(job(concurrency=5))
    applied(cloud, wanted)
    cloud.client("lambda").delete_function(FunctionName=SITE.function("triage"))
    made = applied(cloud, wanted)
    assert sorted(steps(made)) == ["create function", "create stamp", "update role"]
    assert plan(cloud.aws(), wanted).steps == ()
    concurrency = cloud.client("lambda").get_function_concurrency(FunctionName=SITE.function("triage"))
    assert concurrency["ReservedConcurrentExecutions"] == 5


def test_a_quiet_plan_of_a_hundred_jobs_is_frugal(cloud: Cloud) -> None:
    wanted = deployments(*(job(f"job-{number:03}", secrets={}) for number in range(100)))
    applied(cloud, wanted)
    cloud.record.reset()
    assert plan(cloud.aws(), wanted).steps == ()
    assert cloud.record.total < 25, dict(cloud.record.calls)
