"""What needs a person, and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterable
from math import inf

import msgspec

from clients.serving.keys import WorkloadKey
from clients.serving.operation import Prediction
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.sources import SourceState
from clients.serving.workload import Workload
from tests.support import fleets
from tests.support.scripted_door import live_source
from tui.needs import Need, Needs, Urgency, following, needs_of, of_sources, stuck


def urgent_first(found: Iterable[Need]) -> tuple[Need, ...]:
    of: dict[WorkloadKey, list[Need]] = {}
    for need in found:
        of.setdefault(need.key, []).append(need)
    needs = Needs()
    for key, some in of.items():
        needs.put(key, tuple(some))
    return needs.all


def _trouble(kind: TroubleKind, since: float = 900.0) -> Trouble:
    return Trouble(kind, "CrashLoopBackOff", "CUDA out of memory", since)


def test_a_group_in_trouble_names_the_replica() -> None:
    bad = fleets.group("r1", 0, Phase.CREATING, trouble=_trouble(TroubleKind.FAILED))
    (need,) = needs_of(fleets.workload("r1", [bad, fleets.group("r1", 1)]), 1000.0)
    assert (need.urgency, need.group, need.where, need.replica) == (
        Urgency.FAILED,
        "r1-0",
        "G-0 prefill-0",
        "prefill-0",
    )
    assert need.text == "CrashLoopBackOff: CUDA out of memory"
    assert need.shown.failed


def test_groups_with_the_same_reason_are_one_need() -> None:
    groups = [
        fleets.group("r1", at, trouble=_trouble(TroubleKind.BLOCKED if at < 4 else TroubleKind.FAILED))
        for at in range(5)
    ]
    found = urgent_first(needs_of(fleets.workload("r1", groups), 1000.0))
    assert [(need.group, need.where) for need in found] == [
        ("r1-4", "G-4 prefill-0"),
        ("r1-0", "G-0 prefill-0 and 3 more groups"),
    ]


def test_a_workload_in_trouble_without_a_group_in_trouble() -> None:
    (need,) = needs_of(fleets.workload("r1", 1, trouble=_trouble(TroubleKind.DEGRADED)), 1000.0)
    assert (need.urgency, need.group, need.where) == (Urgency.DEGRADED, None, None)
    assert not need.shown.failed


def test_the_workloads_own_trouble_is_told_beside_its_groups() -> None:
    bad = fleets.group("r1", 0, trouble=_trouble(TroubleKind.FAILED))
    own = Trouble(TroubleKind.BLOCKED, "ControllerSilent", "not taken up", 950.0)
    found = urgent_first(needs_of(fleets.workload("r1", [bad], trouble=own), 1000.0))
    assert [(need.urgency, need.group) for need in found] == [
        (Urgency.FAILED, "r1-0"),
        (Urgency.BLOCKED, None),
    ]


def test_a_healthy_one_needs_nobody() -> None:
    assert needs_of(fleets.workload("r1", 3), 1000.0) == ()


def test_most_urgent_first_then_oldest() -> None:
    def one(name: str, kind: TroubleKind, since: float) -> Workload:
        return fleets.workload(name, [fleets.group(name, 0, trouble=_trouble(kind, since))])

    found = [
        need
        for workload in (
            one("young", TroubleKind.FAILED, 950.0),
            one("waiting", TroubleKind.BLOCKED, 100.0),
            one("old", TroubleKind.FAILED, 200.0),
            one("less", TroubleKind.DEGRADED, 1.0),
        )
        for need in needs_of(workload, 1000.0)
    ]
    login = of_sources([live_source(state=SourceState.LOGIN)], "prod-eu")
    order = urgent_first([*found, *login])
    assert [need.key.name for need in order] == ["prod-eu", "old", "young", "waiting", "less"]
    assert "press R" in order[0].text


def test_an_operation_is_stuck_after_twice_its_prediction_and_a_minute() -> None:
    operation = fleets.operation("r1", 2, 3, started=1000.0)
    known = msgspec.structs.replace(operation, prediction=Prediction(("r1-2",), 50.0, 100.0, 4))
    assert not stuck(known, 1000.0 + 255.0)
    assert stuck(known, 1000.0 + 265.0)
    assert not stuck(operation, 1000.0 + 800.0)
    assert stuck(operation, 1000.0 + 1000.0)
    assert not stuck(msgspec.structs.replace(known, ended_at=1100.0), 9000.0)
    (need,) = needs_of(fleets.workload("r1", 2, operation=operation), 1000.0 + 1200.0)
    assert need.urgency is Urgency.STUCK
    assert need.text == "scaling for 20 min, 0 of 1 done"


def test_the_order_holds_while_needs_come_change_and_go() -> None:
    rng = random.Random(4)
    needs, held = Needs(), dict[WorkloadKey, tuple[Need, ...]]()
    for step in range(400):
        key = fleets.key(f"r{rng.randrange(20)}")
        some = tuple(
            Need(
                rng.choice(list(Urgency)),
                key,
                f"g{rng.randrange(3)}",
                None,
                f"{step}",
                rng.choice([None, 1.0, 2.0]),
            )
            for _ in range(rng.randrange(4))
        )
        needs.put(key, some)
        held[key] = some
        every = [need for found in held.values() for need in found]
        assert sorted(map(id, needs.all)) == sorted(map(id, every))
        ranks = [
            (need.urgency, inf if need.since is None else need.since, str(need.key), need.group or "")
            for need in needs.all
        ]
        assert ranks == sorted(ranks)


def test_next_walks_round_and_goes_on_where_something_was_solved() -> None:
    all_needs = urgent_first(
        need
        for name in ("a", "b", "c")
        for need in needs_of(
            fleets.workload(name, [fleets.group(name, 0, trouble=_trouble(TroubleKind.FAILED))]), 0.0
        )
    )
    first = following(all_needs, None)
    second = following(all_needs, first)
    assert first is not None
    assert second is not None
    assert (first.key.name, second.key.name) == ("a", "b")
    without_b = tuple(need for need in all_needs if need.key.name != "b")
    third = following(without_b, second)
    assert third is not None
    assert third.key.name == "c"
    again = following(all_needs, third)
    assert again is not None
    assert again.key.name == "a"
    assert following((), first) is None
    assert following(of_sources([live_source(state=SourceState.LOGIN)], "x"), None) is None


def test_text_from_outside_is_made_plain() -> None:
    bad = fleets.group("r1", 0, trouble=Trouble(TroubleKind.FAILED, "\x1b[31mX", "a\x1b]0;t\x07b"))
    (need,) = needs_of(fleets.workload("r1", [bad]), 0.0)
    assert "\x1b" not in need.text
    assert "\x07" not in need.text


def test_a_pod_of_a_deployment_is_named_without_repeating_the_workload() -> None:
    oom = Trouble(TroubleKind.FAILED, "OOMKilled", "engine: 3 restarts")
    pod = fleets.group("chat", 0, Phase.CREATING, roles=(("pod", 1),), trouble=oom)
    pod = msgspec.structs.replace(pod, name="chat-5d8f9c7b64-x2v7k", ordinal=None)
    (need,) = needs_of(fleets.workload("chat", [pod], kind="Deployment"), 1000.0)
    assert need.where == "x2v7k pod-0"
    assert need.group == "chat-5d8f9c7b64-x2v7k"
