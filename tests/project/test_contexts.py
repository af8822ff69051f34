"""What a job needs of lambdactl.lock is asked of that job only; a plain process needs no base image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.errors import LockError
from lambdactl.image.contents import RUNTIME, TOOLS
from lambdactl.lock import Lock
from lambdactl.manifest.job import Agent, Job, Package, Packages, Settings
from lambdactl.project import Project

WHEELS = {"python": "3.11", "requirements": {}}
BASE = "registry.example/base:1"


def job(name: str, *packages: Package) -> Job:
    agent = Agent(type="command", command=("true",))
    return Job(name=name, prefix=f"{name}/", agent=agent, packages=Packages(pip=packages))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    lock = Lock(images={BASE: f"sha256:{'1' * 64}"}, packages={str(RUNTIME): WHEELS, str(TOOLS): WHEELS})
    (tmp_path / "lambdactl.lock").write_text(lock.dump())
    jobs = (job("locked"), job("new", Package("pypi", "left", "1")), job("newer", Package("pypi", "up", "2")))
    return Project(Settings(name="demo", root=tmp_path, base_image=BASE), jobs)


def test_one_job_does_not_need_the_locks_of_others(project: Project) -> None:
    assert len(project.images.context("locked").fingerprint) == 64
    with pytest.raises(LockError, match=r"does not hold pypi:left@1;"):
        project.images.context("new")


def test_what_goes_to_aws_needs_all_and_says_so_at_once(project: Project) -> None:
    with pytest.raises(LockError, match=r"does not hold pypi:left@1, pypi:up@2;"):
        project.plan_offline()


def test_a_plain_process_has_no_base_image(project: Project) -> None:
    settings = replace(project.settings, base_image="registry.example/other:1")
    other_base = Project(settings, tuple(project.jobs.values()))
    with pytest.raises(LockError, match=r"does not hold registry\.example/other:1;"):
        other_base.images.context("locked")
    tree = other_base.within(containers=False).images.context("locked")
    assert tree.base == ""
    assert tree.fingerprint == project.within(containers=False).images.context("locked").fingerprint
    assert tree.fingerprint != project.images.context("locked").fingerprint
