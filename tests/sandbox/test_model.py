"""The scripted model: its scripts, its two dialects, its door."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest

from lambdactl.sandbox.model import (
    ScriptedModel,
    ScriptError,
    anthropic,
    openai,
    parse,
    script,
    tools,
    unscripted,
)
from lambdactl.sandbox.model.conversation import Conversation, Prompt, Reply, Result, Text, Tool, Turn, Use
from tests.support.model import KEY

BASH = {"name": "Bash", "input_schema": {"properties": {"command": {"type": "string"}}}}
ECHO = {
    "name": "mcp__everything__echo",
    "input_schema": {"properties": {"message": {"type": "string"}}, "required": ["message"]},
}


def tool(name: str, properties: Mapping[str, Any] | None = None, required: tuple[str, ...] = ()) -> Tool:
    return Tool(name=name, wire=name, schema={"properties": properties or {}, "required": list(required)})


def said(turn: Turn) -> str:
    return "".join(part.text for part in turn.parts if isinstance(part, Text))


def used(turn: Turn) -> tuple[str, Any]:
    use = turn.parts[-1]
    assert isinstance(use, Use)
    return use.tool.name, use.input


# -- scripts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'Do it.\nSCRIPT: [{"say": "hi"}]\nThanks.',
        'Input:\n{"SCRIPT": [{"say": "hi"}], "more": 1}',
        'Do it.\n```script\n[{"say": "hi"}]\n```',
        'SCRIPT: [{"say": "first"}] then SCRIPT: [{"say": "hi"}]',
    ],
)
def test_a_script_is_found_in_a_prompt(text: str) -> None:
    assert script.find(text) == ({"say": "hi"},)


@pytest.mark.parametrize("text", ["no script here", "the SCRIPT: see below", "script: [1]", "TYPESCRIPT: []"])
def test_other_prompts_hold_no_script(text: str) -> None:
    assert script.find(text) is None


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ({"say": "hi"}, "a script is a list"),
        ([{"say": "hi"}, {"sing": "hi"}], "step 1 is not one of say, tool"),
        ([{"say": 3}], "step 0"),
        ([{"say": "hi", "delay": 1}], "step 0"),
        (["say"], "step 0"),
        ([{"write": {"path": "a"}}], "write takes path and content"),
        ([{"stop": "never"}], "stop is one of end_turn, max_tokens, refusal"),
    ],
)
def test_a_wrong_script_is_refused(steps: Any, complaint: str) -> None:
    with pytest.raises(ScriptError, match=complaint):
        parse(steps)


def test_the_conversation_tells_the_place_in_the_script() -> None:
    steps = parse([{"say": "a"}, {"bash": "true"}, {"say": "b {result}"}, {"stop": "end_turn"}, {"say": "c"}])
    asked = Conversation(
        entries=(Result(tool="Bash", text="fine"),), tools=(tool("Bash", {"command": {"type": "string"}}),)
    )
    turns = [script.turn(steps, asked, answered) for answered in range(4)]
    assert [said(turn) for turn in turns] == ["a", "b fine", "c", "The script has ended. fine"]
    assert [turn.stop for turn in turns] == ["tool_use", "end_turn", "end_turn", "end_turn"]
    assert used(turns[0]) == ("Bash", {"command": "true"})


def test_structured_output_goes_by_claude_codes_tool_or_as_the_last_words() -> None:
    steps = parse([{"say": "a"}, {"output": {"n": "{result}"}}])
    entries = (Result(tool="Bash", text="fine"),)
    handed = script.turn(steps, Conversation(entries=entries, tools=(tool("StructuredOutput"),)), 0)
    assert (used(handed), handed.stop) == (("StructuredOutput", {"n": "fine"}), "tool_use")
    spoken = script.turn(steps, Conversation(entries=entries), 0)
    assert (said(spoken), spoken.stop) == ('a{"n": "fine"}', "end_turn")


def test_a_later_prompt_goes_on_with_the_script_or_brings_its_own() -> None:
    first = (Prompt(text='SCRIPT: [{"say": "a"}, {"stop": "end_turn"}, {"say": "b"}]'), Reply())
    assert script.scripted(Conversation(entries=(*first, Prompt(text="go on")))) == (
        ({"say": "a"}, {"stop": "end_turn"}, {"say": "b"}),
        1,
    )
    again = Prompt(text='SCRIPT: [{"say": "new"}]')
    assert script.scripted(Conversation(entries=(*first, again))) == (({"say": "new"},), 0)


@pytest.mark.parametrize(
    ("offered", "arguments"),
    [
        (tool("Bash", {"command": {"type": "string"}}), {"command": "ls"}),
        (tool("exec_command", {"cmd": {"type": "string"}}), {"cmd": "ls"}),
        (tool("shell", {"command": {"type": "array"}}), {"command": ["bash", "-c", "ls"]}),
        (tool("mcp__lambdactl__shell", {"command": {"type": "string"}}), {"command": "ls"}),
    ],
)
def test_bash_takes_the_shell_each_cli_has(offered: Tool, arguments: Mapping[str, Any]) -> None:
    conversation = Conversation(entries=(), tools=(tool("Read"), offered))
    assert used(script.turn(parse([{"bash": "ls"}]), conversation, 0)) == (offered.name, arguments)


def test_write_takes_write_then_a_shell_then_a_patch() -> None:
    step = parse([{"write": {"path": "out/a b.md", "content": "it's\n"}}])
    shell, patch = (
        tool("exec_command", {"cmd": {}}),
        Tool(name="apply_patch", wire="", schema={}, freeform=True),
    )

    def played(*offered: Tool) -> tuple[str, Any]:
        return used(script.turn(step, Conversation(entries=(), tools=offered, cwd="/work"), 0))

    assert played(patch, shell, tool("Write"))[1] == {"file_path": "/work/out/a b.md", "content": "it's\n"}
    assert played(patch, shell)[1] == {"cmd": "mkdir -p out && printf %s 'it'\"'\"'s\n' > 'out/a b.md'"}
    assert played(patch)[1] == "*** Begin Patch\n*** Add File: out/a b.md\n+it's\n*** End Patch\n"
    with pytest.raises(ScriptError, match="no tool that writes files"):
        played(tool("Read"))


def test_a_tool_that_is_not_offered_is_an_error_that_names_those_that_are() -> None:
    conversation = Conversation(entries=(), tools=(tool("mcp__a__get_sum"),))
    assert tools.named("mcp__a__get-sum", conversation) is conversation.tools[0]
    with pytest.raises(ScriptError, match="no tool 'mcp__a__sum' is offered; offered: mcp__a__get_sum"):
        tools.named("mcp__a__sum", conversation)


# -- without a script ---------------------------------------------------------------------------


def test_the_tool_tried_is_harmless_and_simple() -> None:
    names = (
        "Bash",
        "mcp__a__delete_list",
        "mcp__a__get-env",
        "mcp__s__shell",
        "mcp__a__get-user",
        "mcp__a__search",
    )
    offered = tuple(tool(name) for name in names)
    chosen = unscripted.choose(offered)
    assert chosen is not None
    assert chosen.name == "mcp__a__search"
    assert unscripted.choose(offered[:4]) is None


def test_arguments_follow_the_schema() -> None:
    properties = {
        "text": {"type": "string"},
        "a": {"type": "number"},
        "b": {"type": "integer", "minimum": 10},
        "unit": {"enum": ["c", "f"]},
        "deep": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
        "many": {"type": "array", "items": {"type": "string", "default": "x"}, "minItems": 2},
        "left_out": {"type": "string"},
    }
    required = [name for name in properties if name != "left_out"]
    assert unscripted.arguments({"properties": properties, "required": required}) == {
        "text": "hello from the scripted model",
        "a": 3,
        "b": 10,
        "unit": "c",
        "deep": {"on": True},
        "many": ["x", "x"],
    }


@pytest.mark.parametrize(
    ("prompt", "zone"),
    [
        ("What time is it?", "UTC"),
        ("The time in Europe/Lisbon, then in Asia/Tokyo.", "Europe/Lisbon"),
        ("Is it late in America/Argentina/Buenos_Aires?", "America/Argentina/Buenos_Aires"),
    ],
)
def test_a_time_zone_is_one(prompt: str, zone: str) -> None:
    """mcp-server-time's schema of get_current_time."""
    properties = {
        "timezone": {"type": "string", "description": "IANA timezone name (e.g., 'America/New_York')."},
        "where": {"type": "string", "description": "A time zone, else UTC"},
    }
    offered = tool("mcp__time__get_current_time", properties, tuple(properties))
    found = unscripted.turn(Conversation(entries=(Prompt(text=prompt),), tools=(offered,)))
    assert used(found) == (offered.name, {"timezone": zone, "where": zone})


@pytest.mark.parametrize(
    ("prompt", "path"),
    [
        ("Write a summary to `out/summary.md`.", "out/summary.md"),
        ("List the issues and save them as issues.json please", "issues.json"),
        ("Read report.md and tell me.", ""),
        ("Write to https://example.com/a.md", ""),
        ("Write /etc/passwd.txt or ../up.md", ""),
        ("Write a poem, e.g. a short one", ""),
    ],
)
def test_the_file_a_prompt_asks_for(prompt: str, path: str) -> None:
    assert unscripted.wanted_file(prompt) == path


# -- dialects -----------------------------------------------------------------------------------


def test_claude_code_may_append_user_content_after_a_tool_result() -> None:
    read = anthropic.read(
        {
            "system": [{"type": "text", "text": " - Primary working directory: /w\n"}],
            "messages": [
                {"role": "user", "content": "go"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "3"}]},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"}],
                },
            ],
        }
    )
    assert read.entries == (Prompt(text="go"), Reply(calls=("Bash",)), Result(tool="Bash", text="3"))
    assert read.cwd == "/w"


def test_codex_tells_one_answer_in_several_items() -> None:
    call = {"type": "function_call", "call_id": "c", "namespace": "mcp__a", "name": "echo", "arguments": "{}"}
    output = "Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 3\nOutput:\nno\n"
    read = openai.read(
        {
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_text", "text": "<environment_context><cwd>/w</cwd>"}],
                },
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
                {"type": "reasoning", "summary": []},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "I try"}],
                },
                call,
                {"type": "function_call_output", "call_id": "c", "output": output},
            ],
            "tools": [
                {"type": "namespace", "name": "mcp__a", "tools": [{"type": "function", "name": "echo"}]}
            ],
        }
    )
    assert read.entries == (
        Prompt(text="go"),
        Reply(calls=("mcp__a__echo",)),
        Result(tool="mcp__a__echo", text="no\n", is_error=True),
    )
    assert (read.cwd, [tool.name for tool in read.tools]) == ("/w", ["mcp__a__echo"])


def test_tools_codex_holds_back_are_searched_for_once(scripted_model: ScriptedModel) -> None:
    finder = {"type": "tool_search", "execution": "client", "parameters": {}}
    prompt = {"role": "user", "content": 'SCRIPT: [{"say": "a"}, {"tool": "mcp__a__get-sum"}]'}
    body: dict[str, Any] = {"input": [prompt], "tools": [finder]}
    url = f"{scripted_model.url}/v1/responses"
    (asked,) = json.loads(post(url, body)[1])["output"]
    assert asked["arguments"]["query"] == "mcp a get sum"
    found = {"type": "namespace", "name": "mcp__a", "tools": [{"type": "function", "name": "get_sum"}]}
    body["input"] += [asked, {"type": "tool_search_output", "call_id": asked["call_id"], "tools": [found]}]
    text, call = json.loads(post(url, body)[1])["output"]
    assert text["content"][0]["text"] == "a"
    assert (call["namespace"], call["name"]) == ("mcp__a", "get_sum")
    body["input"][-1]["tools"] = []
    assert post(url, body)[0] == 400


# -- over HTTP ----------------------------------------------------------------------------------


def post(url: str, body: Mapping[str, Any], **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"x-api-key": KEY, **headers})
    try:
        with urllib.request.urlopen(request, timeout=200) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def messages(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], "tools": [BASH, ECHO], **more}


def test_each_provider_refuses_a_wrong_key_in_its_own_shape(scripted_model: ScriptedModel) -> None:
    status, body = post(f"{scripted_model.url}/v1/messages", messages("hi"), **{"x-api-key": "wrong"})
    assert (status, json.loads(body)["error"]["type"]) == (401, "authentication_error")
    bearer = {"x-api-key": "", "authorization": "Bearer wrong"}
    status, body = post(f"{scripted_model.url}/v1/responses", {"input": "hi"}, **bearer)
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")
    right = {"x-api-key": "", "authorization": f"Bearer {KEY}"}
    assert post(f"{scripted_model.url}/responses", {"input": "hi"}, **right)[0] == 200


def test_requests_are_remembered_without_the_key(scripted_model: ScriptedModel) -> None:
    post(f"{scripted_model.url}/v1/messages?beta=true", messages("hi"))
    (seen,) = scripted_model.requests
    assert (seen.method, seen.path, seen.status) == ("POST", "/v1/messages?beta=true", 200)
    assert "x-api-key" in seen.headers
    assert seen.body["messages"][0]["content"] == "hi"
    assert KEY not in repr(seen)


@pytest.mark.parametrize("path", ["messages", "responses"])
def test_the_same_request_gets_the_same_bytes(scripted_model: ScriptedModel, path: str) -> None:
    body = {**messages("hi", stream=True), "input": "hi", "tools": []}
    first = post(f"{scripted_model.url}/v1/{path}", body)
    assert first[0] == 200
    assert first[1].startswith(b"event: ")
    assert post(f"{scripted_model.url}/v1/{path}", body) == first


def test_an_answer_without_a_stream(scripted_model: ScriptedModel) -> None:
    status, body = post(
        f"{scripted_model.url}/v1/messages", messages('SCRIPT: [{"say": "a"}, {"bash": "ls"}]')
    )
    answer = json.loads(body)
    assert (status, answer["stop_reason"]) == (200, "tool_use")
    text, call = answer["content"]
    assert text == {"type": "text", "text": "a"}
    assert (call["name"], call["input"]) == ("Bash", {"command": "ls"})
    assert answer["usage"]["cache_creation_input_tokens"] > answer["usage"]["input_tokens"] > 0
    status, body = post(f"{scripted_model.url}/v1/messages/count_tokens", messages("hi"))
    assert (status, json.loads(body).keys()) == (200, {"input_tokens"})


def test_steps_of_the_server_yield_to_those_of_the_prompt() -> None:
    def answered(model: ScriptedModel, prompt: str) -> str:
        return str(json.loads(post(f"{model.url}/v1/messages", messages(prompt))[1])["content"][0]["text"])

    with ScriptedModel(steps=[{"say": "server's"}]) as model:
        assert answered(model, "hi") == "server's"
        assert answered(model, 'SCRIPT: [{"say": "prompt\'s"}]') == "prompt's"


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ('SCRIPT: [{"say": ]', "is not JSON"),
        ('SCRIPT: [{"sing": "a"}]', "step 0 is not one of"),
        ('SCRIPT: [{"tool": "mcp__x__y"}]', "no tool 'mcp__x__y' is offered"),
    ],
)
def test_a_script_that_cannot_be_played_is_a_400(
    scripted_model: ScriptedModel, prompt: str, complaint: str
) -> None:
    status, body = post(f"{scripted_model.url}/v1/messages", messages(prompt))
    assert status == 400
    assert complaint in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    "body", [{}, {"messages": 3}, {"messages": [{}]}, {"messages": [{"role": "user", "content": 1}]}]
)
def test_a_request_that_makes_no_sense_is_no_crash(
    scripted_model: ScriptedModel, body: dict[str, Any]
) -> None:
    assert post(f"{scripted_model.url}/v1/messages", body)[0] in (200, 400)
    assert post(f"{scripted_model.url}/v1/elsewhere", body)[0] == 404


def test_closing_ends_a_pause() -> None:
    started = time.monotonic()
    with ScriptedModel(steps=[{"delay": 600}, {"say": "late"}]) as model:
        body = messages("hi", stream=True)  # a stream is remembered before it pauses
        asking = threading.Thread(target=post, args=(f"{model.url}/v1/messages", body), daemon=True)
        asking.start()
        while not model.requests and time.monotonic() < started + 60:
            time.sleep(0.01)
        assert model.requests
    asking.join(timeout=60)
    assert not asking.is_alive()


def test_only_loopback_is_bound() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        ScriptedModel(host="0.0.0.0")


def test_as_a_program_until_sigterm() -> None:
    command = [sys.executable, "-m", "lambdactl.sandbox.model", "--key-env", "MODEL_KEY"]
    env = {"PATH": os.environ["PATH"], "MODEL_KEY": KEY}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as program:
        assert program.stdout
        url = json.loads(program.stdout.readline())["url"]
        assert post(f"{url}/v1/messages", messages("hi"))[0] == 200
        assert post(f"{url}/v1/messages", messages("hi"), **{"x-api-key": ""})[0] == 401
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=60) == 0
