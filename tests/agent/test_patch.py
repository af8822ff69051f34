"""What a run changed in git checkouts, by the real git; and that no checkout makes us run anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.changes import FILE_MAX
from agent.left import Left
from agent.patch import Patches
from agent.redact import Redactor
from tests.agent.bench import Bench

PATH = os.environ["PATH"]
ENV = {
    "PATH": PATH,
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_ALLOW_PROTOCOL": "file",
}
LONG_AGO = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
BINARY = bytes(range(256)) * 8


def git(folder: Path, *arguments: str, env: dict[str, str] | None = None, check: bool = True) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**ENV, **(env or {})},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert not check or done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Somebody's repository, from before the run."""
    made = tmp_path / "origin"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    for name, content in {"a.txt": b"one\ntwo\n", "gone.txt": b"gone\n", "image.bin": BINARY}.items():
        (made / name).write_bytes(content)
    (made / ".gitignore").write_text("ignored\n")
    (made / "run.sh").write_text("#!/bin/sh\n")
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "first", env=LONG_AGO)
    return made


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    made.mkdir()
    return made


@pytest.fixture
def here(origin: Path, workspace: Path) -> Path:
    """A clone in the workspace, as an agent makes one."""
    git(workspace, "clone", "-q", str(origin), "repo")
    return workspace / "repo"


def patches(
    workspace: Path, seconds: float = 60, path: str = PATH, **values: str
) -> tuple[dict[str, bytes], str]:
    left, folder = Left(), workspace.parent / f"ours-{os.urandom(4).hex()}"
    made = Patches(
        workspace=workspace,
        folder=folder,
        path=path,
        since=datetime.now(UTC) - timedelta(hours=1),
        until=time.monotonic() + seconds,
        clock=time.monotonic,
        redactor=Redactor(values),
    )
    return {item.name: item.file.read_bytes() for item in made.items(left)}, "; ".join(left.notes())


def patch(workspace: Path, **values: Any) -> bytes:
    found, notes = patches(workspace, **values)
    assert (list(found), notes) == (["artifacts/workspace.patch"], "")
    return found["artifacts/workspace.patch"]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in a checkout but git's own."""
    return {
        path.relative_to(folder).as_posix(): (path.lstat().st_mode, path.read_bytes())
        if not path.is_symlink()
        else (path.lstat().st_mode, os.fsencode(os.readlink(path)))
        for path in folder.rglob("*")
        if ".git" not in path.parts and (path.is_symlink() or path.is_file())
    }


def applied(origin: Path, content: bytes, base: str = "main") -> dict[str, tuple[int, bytes]]:
    """What the patch makes of a fresh clone."""
    fresh = origin.parent / f"fresh-{os.urandom(4).hex()}"
    git(origin.parent, "clone", "-q", str(origin), str(fresh))
    git(fresh, "checkout", "-q", base)
    (fresh.parent / "the.patch").write_bytes(content)
    git(fresh, "apply", "--whitespace=nowarn", str(fresh.parent / "the.patch"))
    return tree(fresh)


def change(repo: Path) -> None:
    (repo / "a.txt").write_text("one\nTWO\n")
    (repo / "gone.txt").unlink()
    (repo / "image.bin").write_bytes(BINARY[::-1])
    (repo / "run.sh").chmod(0o755)
    (repo / "new").mkdir()
    (repo / "new" / "Ünïcode name\twith tab.txt").write_text("new\n")
    (repo / "new" / "empty").touch()
    (repo / "new" / "b.bin").write_bytes(BINARY)
    (repo / "link").symlink_to("a.txt")
    (repo / ":(exclude)odd").write_text("odd\n")


def test_what_was_changed_can_be_applied_to_a_fresh_clone(origin: Path, here: Path, workspace: Path) -> None:
    change(here)
    (here / "ignored").write_text("ignored\n")
    content = patch(workspace)
    (here / "ignored").unlink()
    assert applied(origin, content) == tree(here)
    assert content.startswith(f"Base: {git(here, 'rev-parse', 'HEAD')}\n".encode())


def test_what_was_staged_or_committed_is_in_it(origin: Path, here: Path, workspace: Path) -> None:
    change(here)
    git(here, "checkout", "-q", "-b", "work")
    git(here, "add", "-A")
    git(here, "commit", "-q", "-m", "mine")
    (here / "staged.txt").write_text("staged\n")
    git(here, "add", "staged.txt")
    (here / "untracked.txt").write_text("untracked\n")
    assert applied(origin, patch(workspace)) == tree(here)


def test_what_was_pushed_is_in_it(origin: Path, here: Path, workspace: Path) -> None:
    git(here, "checkout", "-q", "-b", "work")
    (here / "a.txt").write_text("pushed\n")
    git(here, "commit", "-q", "-a", "-m", "mine")
    git(here, "push", "-q", "-u", "origin", "work")
    assert b"+pushed" in patch(workspace)


def test_a_branch_that_was_checked_out_brings_only_what_the_run_did(origin: Path, workspace: Path) -> None:
    git(origin, "checkout", "-q", "-b", "pull-request")
    (origin / "theirs.txt").write_text("theirs\n")
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "theirs", env=LONG_AGO)
    git(origin, "checkout", "-q", "main")
    git(workspace, "clone", "-q", str(origin), "repo")
    here = workspace / "repo"
    git(here, "checkout", "-q", "pull-request")
    (here / "mine.txt").write_text("mine\n")
    git(here, "add", "-A")
    git(here, "commit", "-q", "-m", "mine")
    content = patch(workspace)
    assert b"mine.txt" in content
    assert b"theirs.txt" not in content
    assert applied(origin, content, "pull-request") == tree(here)


@pytest.mark.parametrize("how", [("--depth=1",), ("--filter=blob:none",), ("--no-checkout",)])
def test_partial_clones(origin: Path, workspace: Path, how: tuple[str, ...]) -> None:
    git(origin, "config", "uploadpack.allowFilter", "true")
    (origin / "a.txt").write_text("second\n")
    git(origin, "commit", "-q", "-a", "-m", "second", env=LONG_AGO)
    git(workspace, "clone", "-q", *how, f"file://{origin}", "repo")
    here = workspace / "repo"
    git(here, "checkout", "-q", "main")
    assert patches(workspace) == ({}, "")
    (here / "a.txt").write_text("mine\n")
    assert applied(origin, patch(workspace)) == tree(here)


def test_a_repository_that_the_run_made_is_in_it_whole(origin: Path, workspace: Path) -> None:
    git(workspace, "init", "-q")
    (workspace / "a.txt").write_text("one\n")
    assert b"+one" in patch(workspace)  # without a commit
    git(workspace, "add", "-A")
    git(workspace, "commit", "-q", "-m", "first")
    (workspace / "a.txt").write_text("one\ntwo\n")
    assert b"+one\n+two" in patch(workspace)


def test_checkouts_whose_names_become_one_have_a_patch_each(workspace: Path) -> None:
    """Masked as it is named, not as it is cleaned: what is left of a value is not found any more."""
    for name in ("p@ss w0rd!x9", "p%40ss%20w0rd%21x9", "a b", "a-b"):
        (workspace / name).mkdir()
        git(workspace / name, "init", "-q")
        (workspace / name / "a.txt").write_text(name)
    found, notes = patches(workspace, T="p@ss w0rd!x9")
    assert (sorted(found), notes) == (
        [f"artifacts/workspace-{name}.patch" for name in ("-T-", "-T-~2", "a-b", "a-b~2")],
        "",
    )


def test_sha256(workspace: Path) -> None:
    git(workspace, "init", "-q", "--object-format=sha256")
    (workspace / "a.txt").write_text("one\n")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-q", "-m", "first", env=LONG_AGO)
    (workspace / "a.txt").write_text("two\n")
    assert b"-one\n+two" in patch(workspace)


def test_each_checkout_has_its_own_and_a_linked_worktree_too(
    origin: Path, here: Path, workspace: Path
) -> None:
    git(here, "worktree", "add", "-q", "../linked", "-b", "linked")
    git(here, "pack-refs", "--all")
    (here / "a.txt").write_text("of the clone\n")
    (workspace / "linked" / "a.txt").write_text("of the worktree\n")
    found, notes = patches(workspace)
    assert (sorted(found), notes) == (
        ["artifacts/workspace-linked.patch", "artifacts/workspace-repo.patch"],
        "",
    )
    assert b"+of the worktree" in found["artifacts/workspace-linked.patch"]
    git(workspace, "init", "-q")
    (workspace / "mine.txt").write_text("mine\n")
    found, _ = patches(workspace)
    assert sorted(found)[-1] == "artifacts/workspace.patch"
    assert b"a.txt" not in found["artifacts/workspace.patch"]


def test_a_sparse_checkout_has_removed_nothing(origin: Path, here: Path, workspace: Path) -> None:
    git(here, "sparse-checkout", "set", "--no-cone", "/a.txt")
    (here / "a.txt").write_text("mine\n")
    assert not (here / "run.sh").exists()
    assert patch(workspace).count(b"diff --git") == 1


@pytest.mark.parametrize("spoil", ["split", "half", "none"])
def test_an_index_that_cannot_be_used(origin: Path, here: Path, workspace: Path, spoil: str) -> None:
    change(here)
    if spoil == "split":
        git(here, "update-index", "--split-index")
    elif spoil == "half":
        os.truncate(here / ".git/index", 100)
    else:
        (here / ".git/index").unlink()
    assert applied(origin, patch(workspace)) == tree(here)


# -- secrets, and bounds ---------------------------------------------------------------------------


def test_a_binary_file_that_holds_a_secret_is_left_out(here: Path, workspace: Path) -> None:
    """It would be compressed there, and past all masking. What is text is masked like all that leaves."""
    (here / ".gitattributes").write_text("*.txt binary\n*.md -diff\n")
    for name in ("plain.txt", "plain.md"):
        (here / name).write_text("a s3cr3t-value\n")
    (here / "with.bin").write_bytes(BINARY + b"s3cr3t-value")
    (here / "without.bin").write_bytes(BINARY)
    found, notes = patches(workspace, T="s3cr3t-value")
    content = found["artifacts/workspace.patch"]
    assert content.count(b"+a s3cr3t-value") == 2
    assert b"without.bin" in content
    assert b"with.bin" not in content
    assert notes == "left out, binary files with a secret in the patch: repo/with.bin"


@pytest.mark.parametrize("becomes", [BINARY, None])
def test_nor_is_what_such_a_file_was(origin: Path, workspace: Path, becomes: bytes | None) -> None:
    """A patch of a binary file can be applied backwards, too: it holds what the file was before."""
    (origin / "image.bin").write_bytes(BINARY + b"s3cr3t-value" + BINARY)
    git(origin, "commit", "-q", "-a", "-m", "second", env=LONG_AGO)
    git(workspace, "clone", "-q", str(origin), "repo")
    here = workspace / "repo"
    (here / "a.txt").write_text("changed\n")
    (here / "image.bin").unlink()
    if becomes:
        (here / "image.bin").write_bytes(becomes)
    found, notes = patches(workspace, T="s3cr3t-value")
    assert b"image.bin" not in found["artifacts/workspace.patch"]
    assert b"+changed" in found["artifacts/workspace.patch"]
    assert notes == "left out, binary files with a secret in the patch: repo/image.bin"


def test_a_name_is_spelled_so_that_a_value_in_it_is_masked(here: Path, workspace: Path) -> None:
    (here / "a-sécrèt-välue").write_text("text\n")
    content = patch(workspace, T="sécrèt-välue")
    assert "b/a-sécrèt-välue".encode() in content  # by git's default the letters would be numbers


def test_large_files_are_left_out(here: Path, workspace: Path) -> None:
    (here / "large").write_bytes(os.urandom(FILE_MAX + 1))
    (here / "a.txt").write_text("changed\n")
    found, notes = patches(workspace)
    assert b"+changed" in found["artifacts/workspace.patch"]
    assert b"large" not in found["artifacts/workspace.patch"]
    assert notes == "left out, files over 16,777,216 bytes in the patch: repo/large"


def test_a_patch_over_its_bound_ends_with_a_whole_file(origin: Path, here: Path, workspace: Path) -> None:
    for number in range(6):
        (here / f"{number}.bin").write_bytes(b"\0" + os.urandom(14 << 20))
    found, notes = patches(workspace)
    content = found["artifacts/workspace.patch"]
    assert notes == "left out, changes in git checkouts, from some file on (over 67,108,864 bytes): repo/…"
    after = applied(origin, content)
    assert after["0.bin"] == tree(here)["0.bin"]
    assert "5.bin" not in after


def test_no_time(here: Path, workspace: Path) -> None:
    change(here)
    assert patches(workspace, seconds=0) == (
        {},
        "left out, changes in git checkouts (no time was left): repo",
    )


def test_a_pipe_where_git_reads_holds_us_only_for_our_time(here: Path, workspace: Path) -> None:
    os.mkfifo(here / ".gitattributes")
    found, notes = patches(workspace, seconds=1)
    assert (found, notes) == ({}, "left out, changes in git checkouts (no time was left): repo")


def test_without_git(here: Path, workspace: Path) -> None:
    found = patches(workspace, path="/nonexistent")
    assert found == ({}, "left out, changes in git checkouts, as git is not in the image: repo")
    shutil.rmtree(here)
    assert patches(workspace, path="/nonexistent") == ({}, "")


def test_no_checkout_no_patch_and_no_change_none_either(here: Path, workspace: Path) -> None:
    assert patches(workspace) == ({}, "")
    shutil.rmtree(here)
    assert patches(workspace) == ({}, "")


def no_head(repo: Path) -> None:
    (repo / ".git/HEAD").unlink()
    os.mkfifo(repo / ".git/HEAD")


def head_outside(repo: Path) -> None:
    (repo / ".git/HEAD").write_text("ref: refs/heads/../../../../etc/passwd\n")


def no_objects(repo: Path) -> None:
    shutil.rmtree(repo / ".git/objects")


def a_commit_that_is_not_there(repo: Path) -> None:
    (repo / ".git/HEAD").write_text("1" * 40)


def no_path(repo: Path) -> None:
    (repo / ".git/commondir").write_text("a\0b")


BROKEN = (no_head, head_outside, no_objects, a_commit_that_is_not_there, no_path)


@pytest.mark.parametrize("break_", BROKEN)
def test_a_broken_repository_is_told(here: Path, workspace: Path, break_: Callable[[Path], None]) -> None:
    break_(here)
    found, notes = patches(workspace)
    assert found == {}
    assert notes.startswith("left out, changes in git checkouts (")


# -- nothing of a checkout is executed -------------------------------------------------------------


def fsmonitor(repo: Path, trap: str) -> None:
    git(repo, "config", "core.fsmonitor", trap)


def hooks(repo: Path, trap: str) -> None:
    for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"):
        (repo / ".git/hooks").mkdir(exist_ok=True)
        (repo / ".git/hooks" / name).write_text(f"#!/bin/sh\n{trap}\n")
        (repo / ".git/hooks" / name).chmod(0o755)


def hooks_elsewhere(repo: Path, trap: str) -> None:
    hooks(repo, trap)
    (repo / ".git/hooks").rename(repo / "hooks")
    git(repo, "config", "core.hooksPath", "hooks")


def filters(repo: Path, trap: str) -> None:
    (repo / ".gitattributes").write_text("* filter=x\n")
    git(repo, "config", "filter.x.clean", trap)
    git(repo, "config", "filter.x.smudge", trap)
    git(repo, "config", "filter.x.required", "true")


def filter_process(repo: Path, trap: str) -> None:
    (repo / ".git/info").mkdir(exist_ok=True)
    (repo / ".git/info/attributes").write_text("* filter=x\n")
    git(repo, "config", "filter.x.process", trap)


def external_diff(repo: Path, trap: str) -> None:
    git(repo, "config", "diff.external", trap)


def external_diff_by_attribute(repo: Path, trap: str) -> None:
    (repo / ".gitattributes").write_text("* diff=x\n")
    git(repo, "config", "diff.x.command", trap)


def textconv(repo: Path, trap: str) -> None:
    (repo / ".gitattributes").write_text("* diff=x\n")
    git(repo, "config", "diff.x.textconv", trap)


def included_config(repo: Path, trap: str) -> None:
    (repo / "config").write_text(f'[diff]\n\texternal = "{trap}"\n')
    git(repo, "config", "include.path", str(repo / "config"))


def config_of_the_worktree(repo: Path, trap: str) -> None:
    git(repo, "config", "extensions.worktreeConfig", "true")
    git(repo, "config", "--worktree", "diff.external", trap)


def lazy_fetch(repo: Path, trap: str) -> None:
    """Objects that are missing are fetched from a remote that runs something."""
    git(repo, "config", "extensions.partialClone", "origin")
    git(repo, "config", "remote.origin.promisor", "true")
    git(repo, "config", "remote.origin.uploadpack", f"{trap} </dev/null #")
    blob = git(repo, "rev-parse", "HEAD:a.txt")
    for pack in (repo / ".git/objects/pack").glob("*"):
        pack.chmod(0o600)
        pack.unlink()
    (repo / ".git/objects" / blob[:2] / blob[2:]).unlink(missing_ok=True)


def submodule(repo: Path, trap: str) -> None:
    """Its status would be asked for in a git of its own, by its own config."""
    git(
        repo,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        str(repo.parents[1] / "origin"),
        "sub",
    )
    git(repo / "sub", "config", "core.fsmonitor", trap)
    (repo / "sub" / "a.txt").write_text("dirty\n")


def with_its_own_name(repo: Path, trap: str) -> None:
    """A program called git, where the agent works."""
    (repo / "git").write_text(f"#!/bin/sh\n{trap}\n")
    (repo / "git").chmod(0o755)


CONTROL = ("diff", "--binary", "HEAD")
VECTORS: list[tuple[Callable[[Path, str], None], tuple[str, ...]]] = [
    (fsmonitor, ("status",)),
    (hooks, ("add", "-A")),
    (hooks_elsewhere, ("add", "-A")),
    (filters, CONTROL),
    (filter_process, CONTROL),
    (external_diff, CONTROL),
    (external_diff_by_attribute, CONTROL),
    (textconv, ("diff", "HEAD")),
    (included_config, CONTROL),
    (config_of_the_worktree, CONTROL),
    (lazy_fetch, CONTROL),
    (submodule, CONTROL),
    (with_its_own_name, ("!./git",)),
]


@pytest.mark.parametrize(("vector", "control"), VECTORS, ids=lambda each: getattr(each, "__name__", ""))
def test_nothing_is_executed(
    origin: Path, here: Path, workspace: Path, vector: Callable[[Path, str], None], control: tuple[str, ...]
) -> None:
    sprung = workspace.parent / "sprung"
    trap = workspace.parent / "trap"
    trap.write_text(f"#!/bin/sh\necho sprung >> {sprung}\ncat 2>/dev/null\nexit 0\n")
    trap.chmod(0o755)
    vector(here, str(trap))
    sprung.unlink(missing_ok=True)  # making it may have sprung it
    (here / "a.txt").write_text("changed\n")
    found, notes = patches(workspace)
    assert not sprung.exists()
    if vector is not lazy_fetch:  # there the base is really missing
        assert b"+changed" in found["artifacts/workspace.patch"], notes
    # The trap is a real one: git as an agent or a person would call it springs it.
    git(here, *(("-c", f"alias.x={control[0]}", "x") if control[0].startswith("!") else control), check=False)
    assert sprung.exists()


def test_no_variable_of_ours_reaches_git(here: Path, workspace: Path, tmp_path: Path) -> None:
    """It sees neither the function's credentials nor anything that would change what it does."""
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "git").write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path}/seen\nexit 1\n")
    (fake / "git").chmod(0o755)
    patches(workspace, path=str(fake))
    names = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert {name for name in names if not name.startswith("GIT_")} == {"PATH", "HOME", "LC_ALL", "PWD"}


# -- in a run --------------------------------------------------------------------------------------


def test_a_run_stores_it(bench: Bench, origin: Path) -> None:
    script = f"""
        git clone -q {origin} repo; cd repo
        git -c user.name=A -c user.email=a@b commit -q --allow-empty -m mine
        echo "token $T" >> a.txt; echo new > new.txt
        echo theirs > ../workspace.patch; mkdir ../out; touch ../out/x
    """
    done = bench.command(
        "/bin/sh", "-c", script,
        values={"T": "s3cr3t-value"}, env={"T": "${secrets.T}"}, artifacts=["*.patch", "out/*"],
    )  # fmt: skip
    content = done.text("artifacts/workspace.patch")
    assert "+token ***T***\n" in content
    assert "new.txt" in content
    assert done.leaks("s3cr3t-value") == []
    (stored,) = (file for file in done.result["files"] if file["path"].endswith(".patch"))
    assert stored["contentType"] == "text/plain; charset=utf-8"
    assert "left out, files with the name of another: artifacts/workspace.patch" in done.result["notes"]
