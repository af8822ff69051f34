"""Runs as pages. The texts are golden: LAMBDACTL_GOLDEN=write python -m pytest tests/report, and read the
diff. The samples are recorded runs of the real CLIs (tests/report/record.py)."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest

from lambdactl.report import html
from lambdactl.report.html.gather import gather
from lambdactl.report.html.links import beside, console
from lambdactl.report.html.report import Report
from lambdactl.report.html.story import Story
from lambdactl.runs import Run
from tests.report.pages import NOW, RUN_ID, SAMPLES, Page, files_of, folder, sample

AGENTS = ("claude-code", "codex", "command")


def calls(report: Report) -> list[tuple[str, bool, bool]]:
    """(tool, failed, whether its duration is known)"""
    return [(row.title, row.failed, row.took is not None) for row in report.story.rows if row.kind == "call"]


@pytest.mark.parametrize("name", AGENTS)
def test_a_recorded_run_as_a_page(name: str) -> None:
    text = Page(html.page(folder(*sample(name)))).text
    golden = SAMPLES / name / "page.txt"
    if os.environ.get("LAMBDACTL_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", ["claude-code", "codex"])
def test_every_call_has_its_duration_and_the_picture_its_curves(name: str) -> None:
    report = gather(folder(*sample(name)))
    shell = "Bash" if name == "claude-code" else "shell"
    assert calls(report) == [
        (shell, False, True), ("mcp__everything__get-sum", False, True),
        (shell, True, True), (shell, False, True),
    ]  # fmt: skip
    assert report.story.unknown == report.story.broken == 0
    usage = report.folder.run.result["usage"]
    assert report.story.points[-1].usage.output == usage["outputTokens"]
    assert report.story.points[-1].usage.input == usage["inputTokens"]
    assert report.picture is not None
    names = [curve.name for curve in report.picture.curves]
    assert names == ["Tokens sent", "Tokens received", *(["Cost"] if name == "claude-code" else [])]
    (server, *_) = report.servers
    assert (server.name, server.status, server.tally.calls) == ("everything", "connected", 1)


@pytest.mark.parametrize("name", AGENTS)
def test_streams_in_parts_and_in_one_file_are_the_same(name: str) -> None:
    files, definition = sample(name)
    split: dict[str, bytes] = {}
    for path, content in files.items():
        stem = path.removesuffix("/000001.jsonl").removesuffix("/000001.log").removesuffix(".log")
        if path.split("/")[0] not in ("events", "stdout", "stderr", "transcript", "mcp"):
            split[path] = content
            continue
        end = "jsonl" if path.endswith("jsonl") else "log"
        for number, at in enumerate(range(0, len(content), 700), 1):  # lines go on in the next part
            split[f"{stem}/{number:06}.{end}"] = content[at : at + 700]
    assert len(split) > len(files) or name == "command"
    whole, parts = (gather(folder(each, definition)) for each in (files, split))
    same = ("story", "picture", "stdout", "stderr", "output", "patch")
    assert [getattr(parts, field) for field in same] == [getattr(whole, field) for field in same]
    assert [server.log for server in parts.servers] == [server.log for server in whole.servers if server.log]


def test_legs_are_told_one_after_another() -> None:
    """The last one's transcript holds the others' too; its events do not."""
    files, definition = sample("codex")
    lines = files["events/000001.jsonl"].splitlines(keepends=True)
    legs = {f"legs/{n}/{path}": content for n in (2, 10) for path, content in files.items() if "/" in path}
    for name, part in (("legs/2/", lines[:5]), ("legs/10/", lines[5:7]), ("", lines[7:])):
        legs[f"{name}events/000001.jsonl"] = b"".join(part)
    report, whole = gather(folder({**files, **legs}, definition)), gather(folder(files, definition))
    assert report.story.rows == whole.story.rows
    assert report.story.points == whole.story.points
    assert [server.name for server in report.servers] == ["everything", "shell"]


def test_a_page_says_how_many_legs_a_run_took() -> None:
    files, definition = sample("codex")
    leg = {"leg": 1, "startedAt": NOW.isoformat(), "endedAt": NOW.isoformat(), "ended": "continued"}
    result = {**json.loads(files["result.json"]), "legs": [leg, leg]}
    text = Page(html.page(folder({**files, "result.json": json.dumps(result).encode()}, definition))).text
    assert "Legs 2" in " ".join(text.split())
    assert "Legs" not in Page(html.page(folder(files, definition))).text


@pytest.mark.parametrize(("name", "known"), [("claude-code", True), ("codex", False)])
def test_without_transcripts_nothing_is_invented(name: str, known: bool) -> None:
    """Claude Code's events have times, Codex's have not."""
    files, definition = sample(name)
    bare = {path: content for path, content in files.items() if not path.startswith("transcript/")}
    report = gather(folder(bare, definition))
    assert {took for _, _, took in calls(report)} == {known}
    text = Page(html.page(folder(bare, definition))).text
    assert ("duration unknown" in text) is not known
    assert (report.picture is None) is not known


def test_claude_codes_times_can_come_from_its_transcript() -> None:
    files, definition = sample("claude-code")
    events = [json.loads(line) for line in files["events/000001.jsonl"].splitlines()]
    for event in events:
        event.pop("timestamp", None)
    files["events/000001.jsonl"] = "\n".join(map(json.dumps, events)).encode()
    assert {took for _, _, took in calls(gather(folder(files, definition)))} == {True}


def test_a_running_and_a_lost_run_show_what_is_there() -> None:
    files, definition = sample("claude-code")
    del files["result.json"]
    files["events/000001.jsonl"] = files["events/000001.jsonl"][:4_000]  # in the middle of a line
    lost = folder(files, definition)
    going = replace(lost, run=Run(id=RUN_ID, job="triage", folder="s3://x/", state="running", started=NOW))
    for each, words in ((lost, "no result"), (going, "It is running as of 2026-11-26 05:00:00 UTC")):
        text = Page(html.page(each)).text
        assert words in text
        assert "Bash sleep" in text or "git init" in text
        assert "connected" in text  # told by the events
        assert "no answer came" in text
        assert "1 lines of the event stream are not JSON" in text


def test_a_queued_run_and_one_without_anything_are_pages_too() -> None:
    queued = Run(id=RUN_ID, job="triage", folder="s3://x/", state="queued")
    text = Page(html.page(folder({}, run=queued))).text
    assert "queued" in text
    assert "not available: nobody has it" in text
    for bad in (b"{", b"[]", b'{"runId": 7}'):
        assert "not one of ours" in Page(html.page(folder({"result.json": bad}))).text


def test_what_is_not_understood_is_counted() -> None:
    lines = [
        b'{"type": "hologram", "x": 1}',
        b'{"type": "assistant", "message": {"content": [{"type": "text", "text": "hello"}, 7, null]}}',
        b'{"type": "assistant", "message": 3}',
        b'{"type": "user"}',
        b"a hook printed this",
        b"{broken",
        b"[" * 100_000,
        b"{" * 100_000,
        b'{"type": "result", "total_cost_usd": NaN}',
        b'{"type": "assistant", "timestamp": "9999-01-01T00:00:00Z", "message": {"id": [], "usage": "x"}}',
    ]
    story = gather(folder({"events/000001.jsonl": b"\n".join(lines)})).story
    assert [row.text.text for row in story.rows] == ["hello"]
    assert (story.unknown, story.broken) == (1, 2)


def test_agents_of_the_agent_stand_inside() -> None:
    def event(type_: str, content: Any, **more: Any) -> bytes:
        return json.dumps({"type": type_, "message": {"id": "m", "content": [content]}, **more}).encode()

    lines = [
        event("assistant", {"type": "tool_use", "id": "1", "name": "Task", "input": {"prompt": "look"}}),
        event("assistant", {"type": "thinking", "thinking": "hm"}, parent_tool_use_id="1"),
        event(
            "assistant", {"type": "tool_use", "id": "2", "name": "Read", "input": {}}, parent_tool_use_id="1"
        ),
        event("user", {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "image"}]}),
        event("user", {"type": "tool_result", "tool_use_id": "1", "content": "found"}),
    ]
    rows = gather(folder({"events/000001.jsonl": b"\n".join(lines)})).story.rows
    assert [(row.kind, row.title, row.depth, row.answer.text) for row in rows] == [
        ("turn", "Turn 1", 0, ""), ("call", "Task", 0, "found"),
        ("thought", "", 1, ""), ("call", "Read", 1, "[image]"),
    ]  # fmt: skip


def test_all_that_codex_does_has_a_row() -> None:
    items = [
        {"id": "1", "type": "reasoning", "text": "hm"},
        {
            "id": "2",
            "type": "command_execution",
            "command": "ls",
            "aggregated_output": "x",
            "status": "completed",
        },
        {"id": "3", "type": "file_change", "changes": [{"path": "a.py", "kind": "add"}], "status": "failed"},
        {"id": "4", "type": "web_search", "query": "cities"},
        {"id": "5", "type": "todo_list", "items": [{"text": "count", "completed": True}]},
        {"id": "6", "type": "error", "message": "model metadata"},
        {"id": "7", "type": "hologram"},
    ]
    events: list[dict[str, Any]] = [{"type": "item.completed", "item": item} for item in items]
    events.append({"type": "turn.failed", "error": {"message": "on fire"}})
    files = {"events/000001.jsonl": "\n".join(map(json.dumps, events)).encode()}
    story = gather(folder(files, {"agent": {"type": "codex"}})).story
    assert [(row.kind, row.title, row.failed) for row in story.rows] == [
        ("thought", "", False), ("call", "command", False), ("call", "apply_patch", True),
        ("call", "web_search", False), ("note", "plan", False), ("note", "Codex reports", False),
        ("note", "the turn failed", True),
    ]  # fmt: skip
    assert story.unknown == 1


def test_a_hash_of_other_bytes_is_not_shown() -> None:
    files, definition = sample("claude-code")
    files["artifacts/workspace.patch"] += b"more"
    shown = {file.name: bool(file.sha256) for file in gather(folder(files, definition)).files}
    assert shown["events/000001.jsonl"]
    assert not shown["artifacts/workspace.patch"]


def test_links_lead_to_the_console_or_to_what_a_browser_only_shows() -> None:
    link = console("eu-central-1", "aws", "my-bucket", "triage/run/")
    assert link("artifacts/a b&c.html") == (
        "https://eu-central-1.console.aws.amazon.com/s3/object/my-bucket"
        "?region=eu-central-1&prefix=triage%2Frun%2Fartifacts%2Fa%20b%26c.html"
    )
    assert console("cn-north-1", "aws-cn", "b", "")("x").startswith(
        "https://cn-north-1.console.amazonaws.cn/"
    )
    assert console("x", "another", "b", "")("x") == ""
    here = beside(SAMPLES / "codex" / "run", SAMPLES / "page.html")
    assert here("artifacts/javascript:alert(1).txt") == "./codex/run/artifacts/javascript%3Aalert%281%29.txt"
    assert here("artifacts/page.html") == here("artifacts/x.svg") == here("artifacts/none") == ""
    assert here("artifacts/\udcff.txt") == "./codex/run/artifacts/%FF.txt"


def test_the_samples_hold_no_key_and_no_long_prompt_of_anybodys() -> None:
    for name in AGENTS:
        for content in files_of(SAMPLES / name).values():
            assert b"made-up-model-key" not in content
            assert len(content) < 20_000


def test_rows_are_bounded_and_the_last_ones_are_kept() -> None:
    def event(n: int) -> bytes:
        use = {"type": "tool_use", "id": str(n), "name": f"tool{n}", "input": {"n": n}}
        return json.dumps({"type": "assistant", "message": {"id": f"m{n % 2}", "content": [use]}}).encode()

    story: Story = gather(folder({"events/000001.jsonl": b"\n".join(map(event, range(5_000)))})).story
    assert (len(story.rows), story.left_out) == (2_000, 8_000)
    assert story.rows[-1].title == "tool4999"
    assert len(story.tools) == 200
