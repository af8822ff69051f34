"""Schedules: which expressions pass, which do not and why, and what a schedule resolves to."""

from __future__ import annotations

import json

import pytest

from lambdactl.manifest import load
from lambdactl.manifest.job import SCHEDULED, Schedule
from lambdactl.manifest.rules.schedules import INPUT_MAX, expression_fault
from tests.manifest.conftest import COMMAND, Write

JOB = f"{COMMAND}prefix: a/\n"


def test_the_short_form_is_an_expression(project: Write) -> None:
    (job,) = load(project(a=f"{JOB}schedule: rate(1 hour)\n")).checked().jobs
    assert job.schedule == Schedule(expression="rate(1 hour)")
    assert json.loads(job.schedule.event) == {"version": 1, "scheduled": SCHEDULED}


def test_the_long_form_says_it_all(project: Write) -> None:
    text = """\
schedule:
  expression: cron(0 6 ? * MON-FRI *)
  timezone: Europe/Berlin
  flexibleWindow: 1h30m
  input: { label: nightly, count: 3 }
  enabled: false
"""
    (job,) = load(project(a=JOB + text)).checked().jobs
    assert job.schedule == Schedule(
        expression="cron(0 6 ? * MON-FRI *)",
        timezone="Europe/Berlin",
        flexible_minutes=90,
        input={"label": "nightly", "count": 3},
        enabled=False,
    )
    assert json.loads(job.schedule.event) == {
        "version": 1,
        "scheduled": SCHEDULED,
        "input": {"label": "nightly", "count": 3},
    }


@pytest.mark.parametrize("value", ["text", 7, 1.5, True, False, 0, [], {}, [1, {"a": None}]])
def test_an_input_is_any_json(project: Write, value: object) -> None:
    text = json.dumps({"expression": "rate(1 hour)", "input": value})
    (job,) = load(project(a=f"{JOB}schedule: {text}\n")).checked().jobs
    assert job.schedule is not None
    assert json.loads(job.schedule.event) == {"version": 1, "scheduled": SCHEDULED, "input": value}


def test_spaces_are_single(project: Write) -> None:
    (job,) = load(project(a=f"{JOB}schedule: cron(0  6 * *   ? *)\n")).checked().jobs
    assert job.schedule == Schedule(expression="cron(0 6 * * ? *)")


def test_inputs_that_python_takes_for_equal_are_two() -> None:
    one, true = (Schedule(expression="rate(1 hour)", input=value).event for value in (1, True))
    assert one != true


def test_an_input_may_be_as_large_as_scheduler_takes_it(project: Write) -> None:
    def said(size: int) -> list[str]:
        around = len(Schedule(expression="", input="").event)
        text = json.dumps({"expression": "rate(1 hour)", "input": "x" * (size - around)})
        return [problem.what for problem in load(project(a=f"{JOB}schedule: {text}\n")).problems]

    assert said(INPUT_MAX) == []
    assert said(INPUT_MAX + 1) == ["schedule.input has 262145 bytes as JSON; Scheduler takes 262144"]


def test_an_environment_may_switch_it_off(project: Write) -> None:
    settings = "project: demo\nenvironments: { dev: { jobs: { a: { schedule: { enabled: false } } } } }\n"
    root = project(settings, a=f"{JOB}schedule: {{ expression: rate(1 hour) }}\n")
    (job,) = load(root, "dev").checked().jobs
    assert job.schedule == Schedule(expression="rate(1 hour)", enabled=False)


def test_a_schedule_is_no_default(project: Write) -> None:
    settings = "project: demo\ndefaults: { schedule: rate(1 hour) }\n"
    (problem,) = load(project(settings, a=JOB)).problems
    assert problem.hint == "it belongs to each job itself"


@pytest.mark.parametrize(
    "text",
    [
        "rate(1 minute)",
        "rate(15 minutes)",
        "rate(1 day)",
        "rate(365 days)",
        "at(2026-12-01T06:00:00)",
        "at(2028-02-29T23:59:59)",
        "cron(0 6 ? * MON-FRI *)",
        "cron(0 6 * * ? *)",
        "cron(*/5 8-17 ? * MON,WED,FRI 2026-2030)",
        "cron(0/15 0,12 1-7/2 JAN-MAR,12 ? *)",
        "cron(59 23 L * ? *)",
        "cron(0 0 L-3 * ? *)",
        "cron(0 0 15W * ? 1970/2)",
        "cron(0 0 LW 2 ? 2199)",
        "cron(0 0 ? * 6L *)",
        "cron(0 0 ? * FRIL *)",
        "cron(0 0 ? * 3#2 *)",
        "cron(0 0 ? * TUE#5 *)",
        "cron(0  6 ?  * 1 *)",
        "cron(0 22-2 ? * FRI-MON *)",  # backwards: the guide does not say; AWS has the last word
    ],
)
def test_what_scheduler_takes_passes(text: str) -> None:
    assert expression_fault(text) is None


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("0 6 ? * MON-FRI *", "lacks its cron(...)", "six fields"),
        ("every day", "is no schedule", "rate(1 hour)"),
        ("Rate(1 hour)", "is no schedule", "rate(1 hour)"),
        ("rate(1 hour) ", "is no schedule", "rate(1 hour)"),
        ("cron(0 6 ? * MON-FRI)", "has 5 fields", "day-of-week year"),
        ("cron(0 0 6 ? * MON-FRI *)", "has 7 fields", "day-of-week year"),
        ("cron()", "has 0 fields", "day-of-week year"),
        ("cron(60 6 ? * 1 *)", '"60" for its minutes', "0 to 59"),
        ("cron(0 24 ? * 1 *)", '"24" for its hours', "0 to 23"),
        ("cron(0 6 0 * ? *)", '"0" for its day-of-month', "1 to 31"),
        ("cron(0 6 32W * ? *)", '"32W" for its day-of-month', "1 to 31"),
        ("cron(0 6 ?,1 * ? *)", '"?,1" for its day-of-month', "1 to 31"),
        ("cron(0 6 1 13 ? *)", '"13" for its month', "JAN to DEC"),
        ("cron(0 6 1 MAY-XXX ? *)", '"MAY-XXX" for its month', "JAN to DEC"),
        ("cron(0 6 ? * 0 *)", '"0" for its day-of-week', "1 (SUN)"),
        ("cron(0 6 ? * mon-fri *)", '"mon-fri" for its day-of-week', "capitals"),
        ("cron(0 6 ? * 3#6 *)", '"3#6" for its day-of-week', "TUE#2"),
        ("cron(0 6 ? * 3#1,6#3 *)", '"3#1,6#3" for its day-of-week', "TUE#2"),
        ("cron(0 6 ? * MON/2 *)", '"MON/2" for its day-of-week', "SUN to SAT"),
        ("cron(0 6 1 * ? 2200)", '"2200" for its year', "1970 to 2199"),
        ("cron(*/0 6 1 * ? *)", '"*/0" for its minutes', "0 to 59"),
        ("cron(0, 6 1 * ? *)", '"0," for its minutes', "0 to 59"),
        ("cron(1-2-3 6 1 * ? *)", '"1-2-3" for its minutes', "0 to 59"),
        ("cron(٣ 6 1 * ? *)", '"٣" for its minutes', "0 to 59"),
        ("cron(0 6 * * * *)", "exactly one", "by weekday"),
        ("cron(0 6 ? * ? *)", "exactly one", "by weekday"),
        ("cron(0 6 1 * MON *)", "exactly one", "by weekday"),
        ("rate(5 minute)", '"5 minute" for its rate', "write rate(5 minutes)"),
        ("rate(1 days)", '"1 days" for its rate', "write rate(1 day)"),
        ("rate(0 minutes)", '"0 minutes" for its rate', "rate(15 minutes)"),
        ("rate(30 seconds)", '"30 seconds" for its rate', "rate(15 minutes)"),
        ("rate(1.5 hours)", '"1.5 hours" for its rate', "rate(15 minutes)"),
        ("at(2026-12-01T06:00:00Z)", '"Z" after its date', "`timezone`"),
        ("at(2026-12-01T06:00)", "for its date", "to the second"),
        ("at(2026-12-01 06:00:00)", "for its date", "to the second"),
        ("at(2026-02-29T06:00:00)", "does not exist", "to the second"),
        (f"cron({','.join(['0'] * 130)} 6 1 * ? *)", "has 275 characters", "shorten"),
    ],
)
def test_what_it_refuses_is_said_with_its_cure(text: str, what: str, hint: str) -> None:
    fault = expression_fault(text)
    assert fault is not None
    assert what in fault[0]
    assert hint in fault[1]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Calcutta"])
def test_time_zones_are_known_by_their_iana_names(project: Write, zone: str) -> None:
    text = f"schedule: {{ expression: cron(0 6 * * ? *), timezone: {zone} }}\n"
    assert load(project(a=JOB + text)).problems == ()


@pytest.mark.parametrize("zone", ["europe/berlin", "Europe", "../etc/localtime", "+01:00", "posix/UTC", "''"])
def test_what_only_some_machine_knows_is_no_time_zone(project: Write, zone: str) -> None:
    text = f"schedule: {{ expression: cron(0 6 * * ? *), timezone: {zone} }}\n"
    (problem,) = load(project(a=JOB + text)).problems
    assert "is not a time zone" in problem.what
