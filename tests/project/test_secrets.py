"""Parameters: set from standard input, listed without values, missing ones named."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lambdactl import secret_values, secrets
from lambdactl.errors import Refused, UsageError
from tests.support.cloud import Cloud, job

JOBS = (
    job("triage", secrets={"TOKEN": "/agents/token", "KEY": "/agents/key"}),
    job("other", secrets={"TOKEN": "/agents/token"}),
)


def test_a_parameter_is_a_secure_string_and_its_list_shows_who_needs_it(cloud: Cloud) -> None:
    secrets.put(cloud.aws(), "/agents/token", "made-up-value")
    stored = cloud.client("ssm").get_parameter(Name="/agents/token", WithDecryption=True)["Parameter"]
    assert (stored["Type"], stored["Value"]) == ("SecureString", "made-up-value")
    cloud.record.reset()
    found = {each.name: each for each in secrets.parameters(cloud.aws(), JOBS)}
    assert found["/agents/token"].jobs == ("triage", "other")
    assert found["/agents/token"].version == 1
    assert not found["/agents/key"].exists
    assert set(cloud.record.calls) == {"ssm.DescribeParameters"}  # metadata only


def test_a_missing_parameter_becomes_a_note_that_says_how_to_set_it(cloud: Cloud) -> None:
    secrets.put(cloud.aws(), "/agents/token", "made-up-value")
    assert secrets.missing_notes(cloud.aws(), JOBS) == (
        "parameter /agents/key does not exist (needed by triage): `lambdactl secrets set /agents/key`",
    )


def test_setting_it_again_is_a_new_version(cloud: Cloud) -> None:
    for value in ("one-made-up", "two-made-up"):
        secrets.put(cloud.aws(), "/agents/token", value)
    assert secrets.parameters(cloud.aws(), JOBS)[1].version == 2


def test_a_hundred_names_are_asked_in_bulk(cloud: Cloud) -> None:
    many = [job(f"j{number}") for number in range(100)]
    assert len(secrets.parameters(cloud.aws(), many)) == 100
    assert cloud.record.calls["ssm.DescribeParameters"] == 2


def test_a_name_is_a_parameter_or_a_secret_of_a_manifest() -> None:
    assert secrets.resolve("/any/thing", JOBS) == "/any/thing"
    assert secrets.resolve("KEY", JOBS) == "/agents/key"
    with pytest.raises(UsageError, match="no job declares a secret NONE"):
        secrets.resolve("NONE", JOBS)
    with pytest.raises(UsageError, match="several parameters: /agents/token, /b"):
        secrets.resolve("TOKEN", [*JOBS, job("b", secrets={"TOKEN": "/b"})])


def test_a_secrets_file_is_read_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "values"
    path.write_text("# made up\nTOKEN=one two\nexport KEY='quoted'\n\n")
    path.chmod(0o644)
    with pytest.raises(Refused, match="others may read"):
        secret_values.from_file(path)
    path.chmod(0o600)
    assert secret_values.from_file(path) == {"TOKEN": "one two", "KEY": "quoted"}


def test_a_secrets_file_that_git_tracks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "values"
    path.write_text("TOKEN=x\n")
    path.chmod(0o600)
    git = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for argv in (["init", "-q"], ["add", "values"]):
        subprocess.run(["git", *argv], cwd=tmp_path, env=git, check=True)
    with pytest.raises(Refused, match="git tracks"):
        secret_values.from_file(path)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(Refused, match="git tracks"):
        secret_values.from_file(tmp_path / "link")


def test_a_bad_line_is_named_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "values"
    path.write_text("TOKEN=x\nsk-made-up-secret\n")
    path.chmod(0o600)
    with pytest.raises(UsageError, match=r"values:2: is not NAME=VALUE") as caught:
        secret_values.from_file(path)
    assert "made-up-secret" not in str(caught.value)


def test_only_declared_secrets_are_taken_from_the_environment() -> None:
    assert secret_values.from_environment(["KEY"], JOBS[0], {"KEY": "v", "OTHER": "w"}) == {"KEY": "v"}
    with pytest.raises(UsageError, match="declares no secret OTHER"):
        secret_values.from_environment(["OTHER"], JOBS[0], {"OTHER": "w"})
    with pytest.raises(UsageError, match="KEY is not set"):
        secret_values.from_environment(["KEY"], JOBS[0], {})


def test_every_declared_secret_needs_a_value() -> None:
    with pytest.raises(UsageError, match="no value for KEY"):
        secret_values.check(JOBS[0], {"TOKEN": "v"})
