from __future__ import annotations

import json
from typing import Any

import pytest

from clients.load.plan import LoadPlan, plan_json
from clients.load.plan_check import PlanError, read_plan
from clients.load.progress import done

CHAT = {"url": "http://llm.test", "protocol": "openai-chat", "model": "m"}
PLAIN = {"url": "http://llm.test/"}


def read(**fields: Any) -> LoadPlan:
    return read_plan(json.dumps(fields))


def said(**fields: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        read(**fields)
    return str(caught.value).splitlines()


def test_small_by_default() -> None:
    plan = read(**PLAIN)
    assert (plan.effective_loop, plan.users, plan.begins_for, plan.effective_method) == (
        "closed",
        2,
        30,
        "GET",
    )


def test_a_rate_opens_the_loop() -> None:
    plan = read(**PLAIN, rate=5, requests=10)
    assert (plan.effective_loop, plan.effective_arrivals, plan.begins_for) == ("open", "poisson", None)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({**PLAIN, "ratee": 3}, "ratee: there is no such field"),
        ({**CHAT, "slo": {"tfft_ms": 3}}, "slo.tfft_ms: there is no such field"),
        ({}, "url: is needed"),
        ({**PLAIN, "rate": "3"}, "rate: expected `float | null`, got `str`"),
        ({**PLAIN, "v": 2}, "v: this servegrid reads version 1, not 2"),
        ({"url": "llm.test"}, "url: expected http://HOST… or https://HOST…"),
        ({"url": "http://llm.test/\x1b[2J"}, "url: expected http://HOST… or https://HOST…"),
        (
            {"url": "http://u:p@llm.test"},
            "url: holds a user name or password; name its source in secret_headers instead",
        ),
        (
            {**PLAIN, "headers": {"Authorization": "Bearer x"}},
            "headers.Authorization: is a secret; name its source in secret_headers",
        ),
        (
            {**PLAIN, "secret_headers": {"Authorization": {"env": "A", "file": "b"}}},
            "secret_headers.Authorization: expected env or file, one of them",
        ),
        ({**PLAIN, "headers": {"X": "a\r\nB: c"}}, "headers.X: holds control characters"),
        ({**PLAIN, "loop": "open"}, "rate: an open loop needs one"),
        ({**PLAIN, "loop": "closed", "rate": 3}, "rate: a closed loop has none; its users decide"),
        ({**PLAIN, "rate": 3, "arrivals": "burst"}, "burst: arrivals of this name need it"),
        ({**PLAIN, "rate": 0}, "rate: expected a number above 0"),
        ({**PLAIN, "duration_s": 5, "warmup_s": 5}, "warmup_s: leaves nothing of duration_s"),
        ({**PLAIN, "connect_to": "10.0.0.1"}, "connect_to: expected HOST:PORT"),
        ({**PLAIN, "protocol": "kserve-v1"}, "body: kserve-v1 needs one, or body_file"),
        ({**PLAIN, "max_tokens": 4}, "max_tokens: only of the openai protocols"),
        ({**CHAT, "model": None}, "model: openai-chat needs one"),
        ({**CHAT, "stream": False, "slo": {"ttft_ms": 200}}, "slo: without a stream there is only e2e_ms"),
        ({**PLAIN, "stop": {}}, "stop: needs errors_percent or p99_ms"),
    ],
)
def test_what_cannot_be_run_is_told_by_field(fields: dict[str, Any], line: str) -> None:
    assert line in said(**fields)


def test_every_problem_is_told_at_once() -> None:
    assert len(said(url="x", rate=-1, concurrency=3)) == 3


def test_what_is_no_json_is_said_so() -> None:
    with pytest.raises(PlanError, match="plan: is not JSON"):
        read_plan("{")


def test_a_plan_reads_back_as_it_was_written() -> None:
    plan = read(
        **CHAT,
        rate=5,
        ramp={"to": 50, "over_s": 30, "steps": 3},
        slo={"ttft_ms": 200, "tpot_ms": 50},
        secret_headers={"Authorization": {"env": "TOKEN"}},
        tls={"verify": False},
    )
    assert read_plan(plan_json(plan)) == plan
    assert json.loads(plan_json(plan))["v"] == 1


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({"duration_s": 20}, 0.5),
        ({"requests": 40}, 0.25),
        ({"duration_s": 100, "requests": 40}, 0.25),
        ({"duration_s": 5}, 1.0),
        ({}, 1 / 3),
    ],
)
def test_how_much_is_done_is_told_by_time_or_number(fields: dict[str, Any], share: float) -> None:
    assert done(read(**PLAIN, **fields), 10, 10) == pytest.approx(share)
