"""Kthena's policies and bindings: what they ask for, what they overwrite, what they say (kthena.md 7)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_autoscaler import BINDINGS, POLICIES, review
from clients.embedded.controllers.kthena_autoscaling import (
    Behavior,
    Bounds,
    History,
    Panic,
    PodTotal,
    RatioError,
    Steps,
    blocks,
    correct,
    distribute,
    enforce_ratio,
    recommend,
)
from clients.embedded.controllers.kthena_labels import NAME, ROLE
from clients.embedded.curves import Steady
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.servings import Role
from tests.support.simworld import World

RUNNING = "vllm:num_requests_running"
PREFILL = {"port": 8000, "labelSelector": {"matchLabels": {ROLE: "prefill"}}}
QUICK = {"scaleDown": {"period": "15s", "stabilizationWindow": "0s", "percent": 100}}


def submit(world: World, behavior: Json | None = None, name: str = "policy", **spec: Any) -> None:
    made: Json = {
        "metadata": {"name": name, "namespace": "llm"},
        "spec": {"metrics": [{"name": RUNNING, "targetValue": "50"}], **spec},
    }
    if behavior is not None:
        made["spec"]["behavior"] = behavior
    world.store.create(POLICIES, made, manager="kubectl", validate=True)


def target(name: str = "chat", **more: Any) -> Json:
    reference = {"kind": "ModelServing", "name": name}
    return {"target": {"targetRef": reference, "metricSources": {RUNNING: {"pod": PREFILL}}}, **more}


def demand(world: World, in_flight: float, name: str = "chat") -> None:
    selector = {NAME: name}
    world.cluster.demand.assign("llm", name, selector, Steady(in_flight), capacity=1000, noise=0)


def replicas(world: World, name: str = "chat") -> int:
    wanted: int = world.serving(name)["spec"]["replicas"]
    return wanted


def status(world: World) -> Json:
    found = world.store.get(POLICIES, "llm", "policy")
    assert found is not None
    told: Json = found.get("status") or {}
    return told


def test_one_target_follows_its_metric_within_its_bounds(world: World) -> None:
    demand(world, 190)
    world.grown(2)
    submit(world, QUICK, homogeneousTarget=target(minReplicas=1, maxReplicas=6))
    world.until(lambda: replicas(world) == 4, limit=40)
    demand(world, 900)
    world.until(lambda: replicas(world) == 6, limit=200)
    demand(world, 40)
    world.until(lambda: replicas(world) == 1, limit=300)
    assert status(world) == {}
    assert not [e for e in world.events() if e["source"]["component"] == "kthena-autoscaler"]
    owners = world.serving()["metadata"]["managedFields"]
    assert "kthena-autoscaler" in {e["manager"] for e in owners}


def test_a_hand_is_overwritten_within_a_period(world: World) -> None:
    demand(world, 100)
    world.grown(2)
    submit(world, QUICK, homogeneousTarget=target(minReplicas=2, maxReplicas=2))
    world.scale(4)
    world.live(16)
    assert replicas(world) == 2


def test_a_pod_that_restarted_once_freezes_it_until_it_is_replaced(world: World) -> None:
    demand(world, 100)
    world.grown(2, restart_grace=600)
    fault = Fault(FaultKind.CRASH, "llm", "*", CUDA_OOM)
    world.cluster.kubelets.crash("llm", "chat-0-prefill-0-0", fault)
    world.live(120)
    assert world.pod("chat-0-prefill-0-0")["status"]["containerStatuses"][0]["ready"]
    submit(world, QUICK, homogeneousTarget=target(minReplicas=1, maxReplicas=6))
    demand(world, 290)
    world.live(120)
    assert replicas(world) == 2
    world.store.delete("pods", "llm", "chat-0-prefill-0-0")
    world.until(lambda: replicas(world) > 2, limit=200)


def test_a_metric_without_a_source_or_an_answer_decides_nothing(world: World) -> None:
    demand(world, 900)
    world.grown(2)
    reference = {"targetRef": {"kind": "ModelServing", "name": "chat"}}
    submit(world, homogeneousTarget={"target": reference, "minReplicas": 1, "maxReplicas": 6})
    sources = {RUNNING: {"prometheus": {"serverURL": "http://p", "query": "up"}}}
    unanswered = {"target": {**reference, "metricSources": sources}, "minReplicas": 1, "maxReplicas": 6}
    submit(world, name="other", homogeneousTarget=unanswered)
    world.live(60)
    assert replicas(world) == 2


@pytest.mark.parametrize("page", [{"port": 8100}, {"port": 8000, "uri": "/stats"}])
def test_pods_without_such_a_page_stop_it(world: World, page: Json) -> None:
    demand(world, 900)
    world.grown(2)
    wanted = target(minReplicas=1, maxReplicas=6)
    wanted["target"]["metricSources"] = {RUNNING: {"pod": {**PREFILL, **page}}}
    submit(world, homogeneousTarget=wanted)
    world.live(60)
    assert replicas(world) == 2


def test_a_histogram_counts_by_its_p95_of_the_last_minute(world: World) -> None:
    demand(world, 1)
    world.grown(1)
    page = {**PREFILL, "name": "vllm:e2e_request_latency_seconds"}
    wanted = target(minReplicas=1, maxReplicas=6)
    wanted["target"]["metricSources"] = {"latency": {"pod": page}}
    metrics = [{"name": "latency", "targetValue": "100"}]
    submit(world, metrics=metrics, homogeneousTarget=wanted)
    world.live(90)
    assert replicas(world) == 1
    world.cluster.demand.hold("llm", "chat-0-prefill-0-0", {"vllm:e2e_request_latency_seconds": 150.0})
    world.until(lambda: replicas(world) > 1, limit=200)


def test_a_query_is_a_total(world: World) -> None:
    demand(world, 190)
    world.grown(2)
    query = f'sum({RUNNING}{{service="chat",role="prefill"}})'
    sources = {RUNNING: {"prometheus": {"serverURL": "http://p", "query": query}}}
    reference = {"targetRef": {"name": "chat"}, "metricSources": sources}
    submit(world, homogeneousTarget={"target": reference, "minReplicas": 1, "maxReplicas": 6})
    world.until(lambda: replicas(world) == 4, limit=40)


def test_several_targets_share_a_total_the_cheapest_first(world: World) -> None:
    world.cluster.ground.plant(world.plan(1, name="dear"), 3600)
    demand(world, 240)
    demand(world, 10, "dear")
    world.grown(1)
    submit(
        world,
        QUICK,
        heterogeneousTarget={
            "params": [
                target("dear", minReplicas=1, maxReplicas=4, cost=9),
                target("chat", minReplicas=1, maxReplicas=4, cost=2),
            ]
        },
    )
    world.until(lambda: replicas(world) + replicas(world, "dear") == 5, limit=60)
    assert (replicas(world, "dear"), replicas(world)) == (1, 4)


def disaggregated(**ratio: str) -> Json:
    metrics: Json = {RUNNING: {"pod": {"port": 8000}}}
    told: Json = {
        "targetRef": {"name": "chat"},
        "roles": {
            "prefill": {"minReplicas": 1, "maxReplicas": 4, "metricSources": metrics},
            "decode": {"minReplicas": 1, "maxReplicas": 6, "metricSources": metrics},
        },
    }
    if ratio:
        told["ratioConstraint"] = {"numeratorRole": "decode", "denominatorRole": "prefill", **ratio}
    return told


def role_counts(world: World) -> dict[str, int]:
    return {r["name"]: r["replicas"] for r in world.serving()["spec"]["template"]["roles"]}


def test_roles_are_scaled_on_their_own_and_kept_in_their_ratio(world: World) -> None:
    demand(world, 90)
    world.grown(1, [Role("prefill"), Role("decode")])
    decode = "chat-0-decode-0-0"
    world.cluster.demand.hold("llm", decode, {RUNNING: 40})
    submit(world, QUICK, disaggregatedTarget=disaggregated(minRatio="2", maxRatio="3"))
    world.until(lambda: role_counts(world) == {"prefill": 2, "decode": 4}, limit=40)
    told = status(world)
    assert {c["type"]: (c["status"], c["reason"]) for c in told["conditions"]} == {
        "Ready": ("True", "Reconciled"),
        "TargetFound": ("True", "TargetFound"),
    }
    found = told["disaggregatedStatus"]
    assert found["ratioAdjusted"] is True
    assert found["ratioStatus"]["currentRatio"] == "2"
    decode_status, prefill_status = found["roles"]
    assert (decode_status["name"], decode_status["currentReplicas"]) == ("decode", 1)
    assert decode_status["desiredReplicas"] == 1, "what its metrics ask for, before the ratio"
    assert prefill_status["desiredReplicas"] == 2
    assert decode_status["mode"] == "Stable"
    assert decode_status["lastScaleTime"]
    assert told["observedGeneration"] == 1


def test_a_fixed_role_needs_no_metric_and_a_missing_target_is_said(world: World) -> None:
    world.grown(1)
    fixed = {"targetRef": {"name": "chat"}, "roles": {"decode": {"minReplicas": 3, "maxReplicas": 3}}}
    submit(world, disaggregatedTarget=fixed)
    world.until(lambda: role_counts(world)["decode"] == 3, limit=20)
    lost = {**fixed, "targetRef": {"name": "nobody"}}

    def edit(obj: Json) -> None:
        obj["spec"]["disaggregatedTarget"] = lost

    world.store.mutate(POLICIES, "llm", "policy", edit, manager="kubectl")
    world.live(20)
    told = {c["type"]: c for c in status(world)["conditions"]}
    assert told["TargetFound"]["reason"] == "TargetInvalid"
    assert told["Ready"]["reason"] == "ReconcileFailed"
    assert '"nobody" not found' in told["TargetFound"]["message"]


def test_a_binding_of_older_versions_scales_a_workload_or_a_role(world: World) -> None:
    demand(world, 190)
    world.grown(1)
    submit(world, QUICK)
    part: Json = {"subTargets": {"kind": "Role", "name": "prefill"}, "targetRef": {"name": "chat"}}
    part["metricEndpoint"] = {"port": 8000}
    bounds = {"minReplicas": 1, "maxReplicas": 3}
    binding = {
        "metadata": {"name": "b", "namespace": "llm"},
        "spec": {"policyRef": {"name": "policy"}, "homogeneousTarget": {"target": part, **bounds}},
    }
    world.store.create(BINDINGS, binding, manager="kubectl", validate=True)
    world.until(lambda: role_counts(world) == {"prefill": 3, "decode": 1}, limit=60)
    assert replicas(world) == 1


# -- numbers ------------------------------------------------------------------------------------------------

STABLE = Behavior(
    up=Steps(4, 100, 60, 0, both=False),
    down=Steps(0, 100, 60, 300, both=False),
    panic=Panic(0, 0, 200, 0),
)


@pytest.mark.parametrize(
    ("current", "pods", "wanted"),
    [
        (2, PodTotal(190, 2, 0), 4),
        (2, PodTotal(105, 2, 0), 2),
        (4, PodTotal(200, 2, 2), 4),
        (4, PodTotal(40, 2, 2), 1),
        (4, PodTotal(40, 2, 0), 3),
        (2, PodTotal(0, 0, 2), None),
    ],
)
def test_what_pods_ask_for(current: int, pods: PodTotal, wanted: int | None) -> None:
    assert recommend(current, 1, 9, 0.1, {"m": 50}, {"m": pods}, {}) == wanted


def test_the_highest_metric_counts_and_bounds_need_none() -> None:
    assert recommend(2, 1, 9, 0.1, {"m": 50, "n": 10}, {"m": PodTotal(100, 2, 0)}, {"n": 55}) == 6
    assert recommend(2, 3, 9, 0.1, {"m": 50}, {}, {}) == 3
    assert recommend(12, 3, 9, 0.1, {"m": 50}, {}, {}) == 9


def test_steps_windows_and_panic() -> None:
    history = History()
    assert correct(history, 0, STABLE, 2, 20, 1, 30) == 6, "4 more, or twice as many"
    assert correct(history, 15, STABLE, 6, 20, 1, 30) == 12, "it only knows the counts that it set itself"
    assert correct(history, 30, STABLE, 12, 20, 1, 30) == 12, "6 were in force within the period"
    assert correct(history, 80, STABLE, 12, 20, 1, 30) == 20
    assert correct(history, 90, STABLE, 20, 2, 1, 30) == 20, "20 was asked for in the window"
    assert correct(history, 400, STABLE, 20, 2, 1, 30) == 2
    tight = Behavior(Steps(1, 100, 60, 0, both=True), STABLE.down, Panic(1000, 60, 200, 60))
    panicking = History()
    assert correct(panicking, 0, tight, 2, 9, 1, 30) == 9
    assert correct(panicking, 15, tight, 9, 3, 1, 30) == 9, "never down in a panic"
    calm = Behavior(tight.up, STABLE.down, Panic(0, 0, 200, 0))
    assert correct(History(), 0, calm, 4, 7, 1, 30) == 5, "And takes the tighter limit"


def test_blocks_grow_and_the_cheapest_go_first() -> None:
    targets = {"a": Bounds(1, 8, 3), "b": Bounds(0, 2, 4)}
    order = blocks(targets, 200)
    assert [(b.target, b.replicas, b.cost) for b in order] == [
        ("a", 1, 3), ("b", 1, 4), ("b", 1, 4), ("a", 2, 6), ("a", 4, 12)
    ]  # fmt: skip
    assert distribute(1, targets, order) == {"a": 1, "b": 0}
    assert distribute(5, targets, order) == {"a": 3, "b": 2}
    assert distribute(99, targets, order) == {"a": 8, "b": 2}


@pytest.mark.parametrize(
    ("above", "below", "least", "most", "expected"),
    [
        (4, 2, "1", "3", (4, 2, False)),
        (1, 2, "2", "3", (4, 2, True)),
        (6, 1, "1", "2", (6, 3, True)),
        (8, 1, "1", "1", (4, 4, True)),
        (0, 2, "1", "2", (2, 2, True)),
        (0, 0, "1", "2", (0, 0, False)),
    ],
)
def test_a_ratio_raises_what_lacks_first(
    above: int, below: int, least: str, most: str, expected: tuple[int, int, bool]
) -> None:
    bounds = Bounds(0, 8), Bounds(0, 4)
    assert enforce_ratio(above, below, *bounds, Fraction(least), Fraction(most)) == expected


def test_a_ratio_that_cannot_be_is_said() -> None:
    with pytest.raises(RatioError, match="no feasible"):
        enforce_ratio(1, 1, Bounds(1, 1), Bounds(1, 1), Fraction(2), Fraction(3))
    with pytest.raises(RatioError, match="must satisfy"):
        enforce_ratio(1, 1, Bounds(1, 1), Bounds(1, 1), Fraction(3), Fraction(2))


def test_the_webhook_fills_the_behavior_in_and_refuses_what_makes_no_sense() -> None:
    spec: Json = {
        "metrics": [{"name": RUNNING, "targetValue": "50"}],
        "homogeneousTarget": target(minReplicas=1, maxReplicas=2),
    }
    policy = {"metadata": {"name": "p", "namespace": "llm"}, "spec": spec}
    assert review("CREATE", policy, None) is None
    assert spec["behavior"]["scaleDown"] == {
        "instances": 0, "percent": 100, "period": "1m", "selectPolicy": "Or", "stabilizationWindow": "5m"
    }  # fmt: skip
    assert spec["behavior"]["scaleUp"]["panicPolicy"]["panicModeHold"] == "0s"
    spec["disaggregatedTarget"] = disaggregated()
    spec["metrics"] = [{"name": "a", "targetValue": 0}, {"name": "a", "targetValue": 1}]
    assert review("UPDATE", policy, None) == [
        "spec.metrics[0].targetValue: Invalid value: 0: metric target value must be greater than 0 and not "
        "equal to infinity",
        'spec.metrics[1].name: Invalid value: "a": duplicate metric name a is not allowed',
        "spec: Invalid value: 2: exactly one of homogeneousTarget, heterogeneousTarget, or "
        "disaggregatedTarget must be set",
    ]
