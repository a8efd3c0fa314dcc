"""What drives a workload, as it is drawn: every step in its place, whatever the numbers are."""

from __future__ import annotations

import pytest

from clients.serving.autoscaling import Autoscaling, Part
from clients.serving.decision import Clamped, Outcome, RateLimited, SampleState
from clients.serving.keys import ObjectRef
from tests.support.demo_app import HOSTILE
from tests.support.drivings import HPA, MORNING, autoscaling, cpu, decision, schedule
from tests.support.stage import lines, staged
from widgets.autoscaling_view import AutoscalingView


async def drawn(value: Autoscaling, columns: int = 120, height: int = 60) -> list[str]:
    view = AutoscalingView()
    async with staged(view, columns, height):
        view.show(value)
        return lines(view)


def row(found: list[str], label: str) -> str:
    return next(line for line in found if line.strip().startswith(label))


async def test_the_whole_page() -> None:
    found = await drawn(autoscaling())
    assert found[0].strip() == "holds at 8 because 8 was recommended 2m10s ago; goes to 2 in 2m50s"
    chain = [line.strip() for line in found[3:7]]
    assert [line.split("  ")[0] for line in chain] == [
        "InferenceService qwen",
        "Deployment qwen-predictor",
        "HPA qwen-hpa",
        "CronHPA qwen-office",
    ]
    assert "scales it  1-10" in chain[2]
    assert "moves its bounds" in chain[3]
    assert "1-10, now 8: 2 more to max; the free GPUs hold 18 more groups" in row(found, "bounds")
    assert row(found, "cpu").split() == ["cpu", "7%", "10%", "0.70", "2"]
    assert row(found, "pods").split(maxsplit=1)[1].strip() == "3 ready 7% to 7.2%"
    assert row(found, "asks for").split()[2] == "2"
    assert "8 was recommended 2m10s ago; 2m50s left of the window of 5m" in row(found, "stabilised")
    assert row(found, "desired").strip().split(maxsplit=2)[1:] == ["8", "as it is; then 2 in 2m50s"]
    assert "Wed 08:30 CST (00:30 UTC) in 2h16m: 8" in row(found, "morning")
    assert "2 > 8" in row(found, "rescales")
    assert any("(cpu 38)" in line for line in found), "what the metric was then"
    assert row(found, "assumed").strip().endswith("--horizontal-pod-autoscaler-sync-period=15s")


async def test_room_is_what_will_be_left_of_it() -> None:
    moving = decision(outcome=Outcome.SCALES, current=8, desired=10, stabilised=None, goes_to=10)
    found = await drawn(autoscaling(decisions=(moving,)))
    assert "1-10, now 8>10: at max; the free GPUs hold" in row(found, "bounds")


async def test_the_graph_of_a_day_rises_where_a_job_fires() -> None:
    found = await drawn(autoscaling(), 120)
    at = next(number for number, line in enumerate(found) if "next 24 h" in line)
    graph, axis = found[at][13:109], found[at + 1][13:109]
    step = 86400 / 96
    first, second = int(8200 / step), int(56800 / step)
    assert graph[:first].strip() == ""
    assert len(set(graph[first:second])) == 1
    assert len(set(graph[second:96])) == 1
    assert graph[first] != graph[second]
    noon = axis.index("12:00")
    assert abs(noon - (12 - 6.22) * 4) < 1.5, "06:13 in Shanghai is where it begins"


async def test_nothing_moves_as_numbers_change() -> None:
    value = autoscaling()
    limited = decision(
        stabilised=None,
        limited=RateLimited(4, "Pods 4/15s", 12.0),
        clamped=Clamped(4, "max"),
        desired=4,
        outcome=Outcome.SCALES,
    )
    before, after = [await drawn(autoscaling(decisions=(one,)), 100) for one in (decision(), limited)]
    for label in ("metric", "asks for", "stabilised", "rate limit", "desired", "conditions", "rescales"):
        places = [
            next(at for at, line in enumerate(found) if line.strip().startswith(label))
            for found in (before, after)
        ]
        assert places[0] == places[1], label
    assert value.decisions[0].stabilised is not None


@pytest.mark.parametrize("columns", [80, 120, 200])
async def test_pods_without_a_say_are_marked(columns: int) -> None:
    for state in (SampleState.UNREADY, SampleState.MISSING):
        found = await drawn(autoscaling(decisions=(decision(metrics=(cpu(3, state),)),)), columns)
        assert f"2 ready 7% to 7.1%, 1 {state} counted as 10%" in row(found, "pods")
        assert any("00002" in line and str(state) in line for line in found)


async def test_many_pods_are_counted_and_those_without_a_say_are_named() -> None:
    found = await drawn(autoscaling(decisions=(decision(metrics=(cpu(40, SampleState.MISSING),)),)))
    assert "39 ready" in row(found, "pods")
    assert any("00039" in line and "missing" in line for line in found)
    assert not any("00012" in line for line in found)


async def test_without_a_decision_the_reason_stands_on_top() -> None:
    reason = "cpu: the API metrics.k8s.io is absent: metrics-server is not installed"
    none = decision(outcome=Outcome.NONE, best=None, winner=None, stabilised=None, desired=None, goes_to=None,
                    until=None, reason=reason)  # fmt: skip
    found = await drawn(autoscaling(decisions=(none,), absences=("not installed here: KEDA",)), 80)
    assert found[0].strip() == f"no decision: {reason}"[: len(found[0].strip())]
    assert "KEDA" in row(found, "missing")


async def test_nothing_drives_it() -> None:
    found = await drawn(Autoscaling(autoscaling().key, MORNING))
    assert found[0].strip() == "nothing drives it: the number stays what somebody sets by hand"


async def test_the_cursor_goes_over_the_chain_and_then_scrolls() -> None:
    view = AutoscalingView()
    async with staged(view, 80, 12):
        view.show(autoscaling())
        names = []
        for _ in range(4):
            assert view.selected is not None
            names.append(view.selected.name)
            view.move(1)
        assert names == ["qwen", "qwen-predictor", "qwen-hpa", "qwen-office"]
        assert view.top > 0, "past the last object the page scrolls"
        while view.top:
            view.move(-1)
        view.move_first()
        assert view.selected is not None
        assert view.selected.name == "qwen"


@pytest.mark.parametrize("columns", [80, 120])
async def test_hostile_text_stays_in_its_line(columns: int) -> None:
    for text in HOSTILE:
        ref = ObjectRef(text, text, text, text)
        value = autoscaling(
            chain=((Part(HPA, "scales"), Part(ref, "bounds", ref)),),  # type: ignore[arg-type]
            decisions=(
                decision(subject=ref, role=text, reason=text, metrics=(cpu(),)),
                decision(reason=text),
            ),
            schedules=(schedule(subject=ref, notes=(text,), zone=text),),
            conditions=(text,),
            absences=(text,),
        )
        whole = "\n".join(await drawn(value, columns, 90))
        assert not any(char in whole for char in "\x1b\u202e\u2066\u200b\u200d\ufeff\ufe0f\u2028\x9b")
