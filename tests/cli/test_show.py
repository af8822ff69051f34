"""`show --html`: a run of this machine and one in the bucket as pages, and what is never written over."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.definition import canonical
from lambdactl.report.html import MARK
from tests.report.pages import RUN_ID, SAMPLES, Page, sample
from tests.support.cloud import ACCOUNT, REGION, Cloud
from tests.support.program import Program

BUCKET = f"demo-main-{ACCOUNT}-{REGION}"
PROMPT = "Count the people in the cities."
JOB = "agent: { type: command, command: [echo, hello] }\nprefix: triage/\n"


@pytest.fixture
def program(lambdactl: Program) -> Program:
    (lambdactl.root / "lambdactl.yaml").write_text(f"project: demo\nregion: {REGION}\n")
    (lambdactl.root / "jobs").mkdir(exist_ok=True)
    (lambdactl.root / "jobs" / "triage.yaml").write_text(JOB)
    return lambdactl


@pytest.fixture
def here(program: Program) -> Program:
    """With a run that `run-local` left."""
    shutil.copytree(SAMPLES / "codex" / "run", program.root / ".lambdactl" / "runs" / RUN_ID)
    return program


@pytest.fixture
def there(program: Program, cloud: Cloud) -> Program:
    """With a run in the bucket, and its definition."""
    machine = {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "made-up",
    }
    client = cloud.client("s3")
    client.create_bucket(Bucket=BUCKET)
    files, definition = sample("claude-code")
    for name, content in files.items():
        client.put_object(Bucket=BUCKET, Key=f"triage/{RUN_ID}/{name}", Body=content)
    content = canonical(definition)
    key = f".lambdactl/demo/main/jobs/triage/{hashlib.sha256(content).hexdigest()}.json"
    client.put_object(Bucket=BUCKET, Key=key, Body=content)
    return replace(program, machine={**program.machine, **machine})


def page(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def test_a_run_of_this_machine(here: Program) -> None:
    said = here("show", RUN_ID, "--html", "page.html").stderr
    assert said == "page: page.html\n"
    found = page(here.root / "page.html")
    assert "codex 0.169.0 · gpt-5.5" in found.text
    assert "not available: this machine has no copy of the definition that ran" in found.text
    assert f"./.lambdactl/runs/{RUN_ID}/artifacts/workspace.patch" in found.links
    for link in found.links:
        assert link.startswith("#") or (here.root / link).is_file()


def test_the_prompt_of_a_run_of_this_machine_is_kept(here: Program) -> None:
    content = canonical(sample("codex")[1])
    kept = here.root / ".lambdactl" / "definitions" / f"{hashlib.sha256(content).hexdigest()}.json"
    kept.parent.mkdir()
    kept.write_bytes(content)
    here("show", RUN_ID, "--html", "page.html")
    assert PROMPT in page(here.root / "page.html").text
    kept.write_bytes(content.replace(b"people", b"horses"))
    here("show", RUN_ID, "--html", "page.html")
    assert "the definition is not the one that the run names" in page(here.root / "page.html").text


def test_a_run_in_the_bucket(there: Program) -> None:
    folder = there.root / "pages"
    folder.mkdir()
    assert f"page: pages/{RUN_ID}.html" in there("show", RUN_ID, "--html", "pages").stderr
    found = page(folder / f"{RUN_ID}.html")
    assert PROMPT in found.text
    assert "# Files changed 2 +4 −0" in found.text
    console = f"https://{REGION}.console.aws.amazon.com/s3/object/{BUCKET}?region={REGION}&prefix=triage%2F{RUN_ID}%2F"
    assert {f"{console}{name}" for name in ("result.json", "artifacts%2Fworkspace.patch")} <= set(found.links)


def test_a_run_that_goes_on_and_one_whose_definition_is_gone(there: Program, cloud: Cloud) -> None:
    client = cloud.client("s3")
    client.delete_object(Bucket=BUCKET, Key=f"triage/{RUN_ID}/result.json")
    request = {"version": 1, "definition": "../" * 21 + "x", "job": "x"}
    client.put_object(Bucket=BUCKET, Key=f"triage/{RUN_ID}/request.json", Body=json.dumps(request).encode())
    there("show", RUN_ID, "--html", "page.html")
    text = page(there.root / "page.html").text
    assert "It is running as of" in text
    assert "the run does not say which definition it was of" in text
    assert "mcp__everything__get-sum" in text
    request["definition"] = "0" * 64
    client.put_object(Bucket=BUCKET, Key=f"triage/{RUN_ID}/request.json", Body=json.dumps(request).encode())
    there("show", RUN_ID, "--html", "page.html")
    assert "the definition is not in the bucket any more" in page(there.root / "page.html").text


def test_only_a_page_of_ours_is_written_over(here: Program) -> None:
    mine, link = here.root / "mine.html", here.root / "link.html"
    mine.write_text("<!doctype html>\n<html lang='en'>mine")
    link.symlink_to(mine)
    for name in ("mine.html", "link.html", "lambdactl.yaml"):
        refused = here("show", RUN_ID, "--html", name, code=1).stderr
        assert f"{name} is not a page that lambdactl made" in refused
        assert "--force" in refused
    assert mine.read_text().endswith("mine")
    assert "there is no folder" in here("show", RUN_ID, "--html", "none/page.html", code=64).stderr
    here("show", RUN_ID, "--html", "link.html", "--force")
    assert mine.read_text().endswith("mine")  # the link is replaced, not followed
    assert link.read_text().startswith(MARK)
    here("show", RUN_ID, "--html", "link.html")


def test_links_in_a_run_folder_are_not_followed(here: Program) -> None:
    """A job in a container may have left them in the volume."""
    folder = here.root / ".lambdactl" / "runs" / RUN_ID
    secret = here.root / "secret.txt"
    secret.write_text("a secret of this machine")
    for name in ("stderr/000001.log", "input.json", "request.json"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(secret)
    (folder / "mcp" / "home").symlink_to(here.root)
    here("show", RUN_ID, "--html", "page.html")
    assert "a secret of this machine" not in (here.root / "page.html").read_text()


def test_a_job_run_here_as_a_page_with_its_command(program: Program) -> None:
    ended = program("run-local", "triage", "--engine", "process").stdout
    run_id = ended.split()[0]
    program("show", run_id, "--html", ".")
    text = page(program.root / f"{run_id}.html").text
    assert "# Command\necho hello\n" in text
    assert "# Standard output\nhello\n" in text
