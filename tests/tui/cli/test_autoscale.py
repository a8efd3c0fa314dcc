"""``servegrid autoscale``: the same decision for scripts and for readers, with the codes of ``get``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.tui.cli.conftest import Shell


def test_the_decision_as_json(shell: Shell) -> None:
    told = shell.json("autoscale", "default/iris")
    assert told["v"] == 1
    assert told["key"]["name"] == "iris"
    assert re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", told["at"])
    (way,) = told["chain"]
    assert [(part["ref"]["kind"], part["bears"]) for part in way] == [
        ("InferenceService", "is"),
        ("Deployment", "belongs"),
        ("HorizontalPodAutoscaler", "scales"),
    ]
    assert way[2]["kept_by"]["kind"] == "InferenceService"
    (decision,) = told["decisions"]
    assert decision["at"].endswith("Z")
    assert decision["sentence"]
    assert (decision["minimum"], decision["maximum"]) == (1, 10)
    (metric,) = decision["metrics"]
    assert (metric["name"], metric["unit"], metric["target"]) == ("cpu", "%", 10.0)
    assert {sample["state"] for sample in metric["pods"]} <= {"ready", "unready", "missing", "ignored"}
    assert len(metric["pods"]) >= 1


def test_a_schedule_with_its_next_times(shell: Shell) -> None:
    told = shell.json("autoscale", "cronhpa/qwen-cronhpa")
    assert told["key"]["name"] == "qwen"
    (schedule,) = told["schedules"]
    assert (schedule["zone"], schedule["zone_known"]) == ("Asia/Shanghai", False)
    assert [job["name"] for job in schedule["jobs"]] == ["morning", "night"]
    assert all(job["next_at"].endswith("Z") for job in schedule["jobs"])
    assert {firing["replicas"] for firing in schedule["firings"]} <= {1, 2}
    assert told["free_groups"] >= 0


def test_the_same_for_people(shell: Shell) -> None:
    text = shell.run("autoscale", "llm-prod/qwen").stdout
    lines = text.splitlines()
    assert lines[0] == "InferenceService/llm-prod/qwen"
    assert lines[3:7] == [
        "InferenceService qwen",
        "  Deployment qwen-predictor  belongs to it and has the count",
        "    HPA qwen-hpa             scales it",
        "      CronHPA qwen-cronhpa   moves its bounds",
    ]
    for head in (
        "METRIC",
        "asks for",
        "stabilised",
        "rate limit",
        "bounds",
        "desired",
        "conditions",
        "assumed",
    ):
        assert any(line.startswith(head) for line in lines), head
    assert re.search(r"morning  \w{3} 08:30 CST \(00:30 UTC\)", text)


def test_what_nothing_drives(shell: Shell) -> None:
    told = shell.json("autoscale", "deepseek-r1")
    assert (told["chain"], told["decisions"], told["schedules"]) == ([], [], [])
    assert "nothing drives it" in shell.run("autoscale", "deepseek-r1").stdout


def test_names_and_codes(shell: Shell, nowhere: Shell) -> None:
    assert "not found" in shell.run("autoscale", "no-such-thing", code=4).stderr
    assert "NAME" in shell.run("autoscale", code=2).stderr
    assert nowhere.run("autoscale", "x", code=2).stderr.startswith("servegrid: ")
