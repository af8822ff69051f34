"""Plans as people read them. The texts are golden: change them on purpose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lambdactl.engine import Address, Plan, Resource, make_plan
from lambdactl.kinds.image import Image
from lambdactl.kinds.log_group import LogGroup
from lambdactl.kinds.repository import Repository
from lambdactl.manifest.job import Agent
from lambdactl.report import plan as report
from lambdactl.wanted import wanted
from tests.engine.world import Thing, world
from tests.support.cloud import deployments, job

HOSTILE = "[red]x[/red] \x1b[2J\x1b]0;title\x07 `tick` ``` @someone <img src=x> ::error::boo \u202eevil"


def changed(**changes: Any) -> Plan:
    return make_plan(wanted(deployments(job())), wanted(deployments(job(**changes))))


def test_a_changed_field_is_one_line_and_the_rest_is_counted() -> None:
    assert report.text(changed(timeout=700)).plain.splitlines() == [
        "~ function.triage",
        "    timeout: 600 -> 700",
        f"1 to update; 6 unchanged. Plan {changed(timeout=700).fingerprint}",
    ]


def test_nothing_to_do_is_said() -> None:
    assert report.text(changed()).plain == "Nothing to do: 7 resources are as wanted.\n"


def test_a_changed_prompt_is_a_line_diff() -> None:
    before = wanted(deployments(job(agent=Agent(type="command", prompt="one\ntwo\nthree\n"))))
    after = wanted(deployments(job(agent=Agent(type="command", prompt="one\n2\nthree\n"))))
    lines = report.text(make_plan(before, after)).plain.splitlines()
    at = lines.index("    document.prompt:")
    assert lines[at + 1 : at + 6] == [
        "      @@ -1,3 +1,3 @@",
        "       one",
        "      -two",
        "      +2",
        "       three",
    ]


def test_what_is_refused_orphaned_and_kept_is_listed() -> None:
    found = world(Thing(name="a", mark="none"), Thing(name="b"))
    text = report.text(replace(make_plan(found, world(Thing(name="a", size=1))), notes=("a note",))).plain
    assert text.splitlines() == [
        "! thing.a: exists, but does not carry our ownership mark",
        "? thing.b: no longer in git; `apply --prune` would remove it",
        "# a note",
        "Refused: 1 found in AWS under our names, but not ours.",
    ]


def kept(*found: Resource, wanted: Mapping[Address, Resource] | None = None) -> list[str]:
    plan = make_plan({each.address: each for each in found}, wanted or {})
    return [line for line in report.text(plan).plain.splitlines() if "kept" in line]


LOGS = tuple(LogGroup(name=name, group=f"/aws/lambda/{name}", retention_days=30) for name in "abcd")
IMAGES = tuple(Image(name=f"{number:064x}", repository="demo") for number in range(1200))
THERE = world(Thing(name="there"))


def test_what_is_kept_says_which_option_removes_it() -> None:
    assert kept(LOGS[0], IMAGES[1], *THERE.values(), wanted=THERE) == [
        "  image.000000000000…: not wanted any more, kept as data;"
        " `apply --prune --images` removes it, once old and used by no function",
        "  log_group.a: not wanted any more, kept as data; `apply --prune --logs` removes it",
    ]


def test_much_that_is_kept_is_one_line_of_each_kind() -> None:
    images, logs = kept(*LOGS, *IMAGES, *THERE.values(), wanted=THERE)
    assert images.startswith("  1,200 images: not wanted any more, kept as data; ")
    assert logs.startswith("  4 log groups: not wanted any more")
    assert logs.endswith(" removes them")
    (few,) = kept(*LOGS[:3], *THERE.values(), wanted=THERE)
    assert few.startswith("  log_group.a, log_group.b, log_group.c: not")


def test_of_what_destroy_keeps_it_says_how_destroy_removes_it() -> None:
    repository = Repository.wanted(deployments(job()))
    lines = kept(*LOGS[:1], *repository)
    assert [line.split(":")[0].split(".")[0] for line in lines] == ["  log_group", "  repository"]
    assert all(line.endswith("`destroy --data` removes it") for line in lines)


@pytest.mark.parametrize("draw", [lambda plan: report.text(plan).plain, report.comment])
def test_hostile_text_stays_text(draw) -> None:  # type: ignore[no-untyped-def]
    before = wanted(deployments(job(description="")))
    text = draw(make_plan(before, wanted(deployments(job(description=HOSTILE)))))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


def test_a_comment_cannot_be_left_through_its_fence_and_is_cut_below_githubs_limit() -> None:
    prompt = "```\n</details> @everyone\n" + "line\n" * 40_000
    before = wanted(deployments(job(agent=Agent(type="command", prompt="before"))))
    text = report.comment(
        make_plan(before, wanted(deployments(job(agent=Agent(type="command", prompt=prompt)))))
    )
    assert len(text) < 65_535
    fence = next(line for line in text.splitlines() if line.startswith("```"))
    assert fence.removesuffix("diff") == "````"
    assert text.rstrip().endswith("````")


@pytest.mark.parametrize("prompt", ["\u200d\n" * 35_000, "`" * 40_000, ("`" * 30_000 + "\n") * 3])
def test_a_comment_stays_below_githubs_limit_whatever_has_to_be_escaped(prompt: str) -> None:
    before = wanted(deployments(job(agent=Agent(type="command", prompt="before"))))
    after = wanted(deployments(job(agent=Agent(type="command", prompt=prompt))))
    text = report.comment(make_plan(before, after))
    assert len(text) < 65_535
    assert text.splitlines()[-1].startswith("```")


def test_json_is_a_document_with_every_difference() -> None:
    document = json.loads(report.json_(changed(timeout=700)))
    assert document["steps"][0] == {
        "address": "function.triage",
        "action": "update",
        "deltas": [{"field": "timeout", "found": 600, "wanted": 700}],
    }
    assert [step["address"] for step in document["steps"][1:]] == ["stamp.triage"]  # not shown to people
    assert (document["changes"], document["unchanged"]) == (True, 6)


def test_a_new_role_says_in_sentences_what_it_may_do() -> None:
    lines = report.text(make_plan({}, wanted(deployments(job())))).plain.splitlines()
    bucket = "arn:aws:s3:::demo-main-bucket"
    assert f"    policies.job: Allow s3:ListBucket on {bucket}, with conditions" in lines
    writes = f"Allow s3:AbortMultipartUpload, s3:GetObject, s3:PutObject on {bucket}/triage/*"
    assert f"    policies.job: {writes}" in lines


def test_a_changed_policy_shows_the_statements_that_go_and_come() -> None:
    text = report.text(changed(secrets={"TOKEN": "/agents/other"})).plain
    gone, come = (line for line in text.splitlines() if "ssm:GetParameters" in line)
    assert gone.startswith("      - ")
    assert "parameter/agents/triage/token" in gone
    assert come.startswith("      + ")
    assert "parameter/agents/other" in come
