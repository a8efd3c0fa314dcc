"""The HPA controller on ModelServings: decisions, bounds, conditions, events, and what it cannot do."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.adapters import Adapter, State
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.hpa_objects import (
    external_metric,
    hpa_object,
    pods_metric,
    resource_metric,
    serving_reference,
)
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.curves import Steady
from clients.embedded.servings import Role
from tests.support.simworld import World

SM = "DCGM_CUSTOM_PROCESS_SM_UTIL"


def add(world: World, least: int, most: int, *metrics: Json, name: str = "chat", **more: Any) -> None:
    made = hpa_object("llm", name, serving_reference("chat"), least, most, list(metrics), **more)
    world.store.create(HPAS, made, manager="helm")


def hpa(world: World, name: str = "chat") -> Json:
    found = world.store.get(HPAS, "llm", name)
    assert found is not None
    return found


def conditions(world: World, name: str = "chat") -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in hpa(world, name)["status"]["conditions"]}


def told(world: World, reason: str) -> list[str]:
    events = [e for e in world.events(reason) if e["involvedObject"]["kind"] == "HorizontalPodAutoscaler"]
    return [e["message"] for e in events]


def replicas(world: World) -> int:
    wanted: int = world.serving()["spec"]["replicas"]
    return wanted


def demand(world: World, in_flight: float, capacity: float = 100) -> None:
    curve = Steady(in_flight)
    world.cluster.demand.assign("llm", "chat", {NAME: "chat"}, curve, capacity=capacity, noise=0)


def entries(world: World) -> list[str]:
    return [pod for pod in world.pods() if pod.endswith("-prefill-0-0")]


def test_two_hot_pods_become_four_in_one_look(world: World) -> None:
    add(world, 1, 8, pods_metric(SM, "60"))
    world.grown(2)
    for pod, value in zip(entries(world), (95, 88), strict=True):
        world.cluster.demand.hold("llm", pod, {SM: value})
    world.until(lambda: replicas(world) != 2, limit=40)
    assert replicas(world) == 4
    status = hpa(world)["status"]
    assert (status["currentReplicas"], status["desiredReplicas"]) == (2, 4)
    assert status["currentMetrics"] == [
        {"type": "Pods", "pods": {"metric": {"name": SM}, "current": {"averageValue": "91500m"}}}
    ]
    assert conditions(world) == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }
    assert told(world, "SuccessfulRescale") == [f"New size: 4; reason: pods metric {SM} above target"]
    owner = [e for e in world.serving()["metadata"]["managedFields"] if "f:replicas" in str(e["fieldsV1"])]
    assert ("kube-controller-manager", "scale") in [(e["manager"], e.get("subresource")) for e in owner]


def test_in_follows_five_minutes_after_out(world: World) -> None:
    add(world, 1, 8, pods_metric("vllm:num_requests_running", "50"))
    demand(world, 190)
    world.grown(2)
    up = world.until(lambda: replicas(world) == 4, limit=60)
    demand(world, 60)
    world.live(60)
    assert conditions(world)["AbleToScale"] == ("True", "ScaleDownStabilized")
    down = world.until(lambda: replicas(world) < 4, limit=400)
    assert 300 <= down - up <= 400
    assert replicas(world) == 2
    assert told(world, "SuccessfulRescale")[-1] == "New size: 2; reason: All metrics below target"


def test_a_restart_forgets_why_it_held(world: World) -> None:
    add(world, 1, 8, pods_metric("vllm:num_requests_running", "50"))
    demand(world, 190)
    world.grown(4)
    world.live(60)
    demand(world, 50)
    world.live(60)
    assert replicas(world) == 4
    world.cluster.autoscaler.restart()
    world.live(290)
    assert replicas(world) == 4, "its first recommendation is the count that it finds"
    world.until(lambda: replicas(world) == 1, limit=60)


def test_bounds_act_without_metrics_and_empty_the_status(world: World) -> None:
    add(world, 2, 3, pods_metric(SM, "60"))
    world.grown(5)
    world.until(lambda: replicas(world) == 3, limit=40)
    assert told(world, "SuccessfulRescale") == [
        "New size: 3; reason: Current number of replicas above Spec.MaxReplicas"
    ]
    assert hpa(world)["status"]["currentMetrics"] is None
    assert "ScalingActive" not in conditions(world)
    world.scale(1)
    world.until(lambda: replicas(world) == 2, limit=40)
    assert told(world, "SuccessfulRescale")[-1].endswith("Current number of replicas below Spec.MinReplicas")


def test_at_zero_it_rests(world: World) -> None:
    add(world, 1, 4, pods_metric(SM, "60"))
    world.grown(2)
    world.scale(0)
    world.live(120)
    assert replicas(world) == 0
    assert conditions(world)["ScalingActive"] == ("False", "ScalingDisabled")
    assert hpa(world)["status"]["currentMetrics"] is None


@pytest.mark.parametrize(
    ("reference", "told_of"),
    [
        (serving_reference("nobody"), 'modelservings.workload.serving.volcano.sh "nobody" not found'),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
            'deployments/scale.apps "x" not found',
        ),
        ({"apiVersion": "a/v1", "kind": "B", "name": "x"}, 'no matches for kind "B" in group "a"'),
        ({"apiVersion": "v1", "kind": "Pod", "name": "x"}, "could not find the requested resource"),
    ],
)
def test_without_its_target_it_says_what_is_missing(
    world: World, reference: dict[str, str], told_of: str
) -> None:
    made = hpa_object("llm", "lost", reference, 1, 4, [pods_metric(SM, "60")])
    world.store.create(HPAS, made, manager="helm")
    world.started().live(20)
    (condition,) = hpa(world, "lost")["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("AbleToScale", "False")
    assert condition["reason"] == "FailedGetScale"
    assert condition["message"].startswith(
        "the HPA controller was unable to get the target's current scale: "
    )
    assert told_of in condition["message"]
    assert told_of in told(world, "FailedGetScale")[0]


def test_a_silent_adapter_stops_it_and_is_named(world: World) -> None:
    add(world, 1, 8, resource_metric("cpu", 50))
    world.cluster.adapters.set(Adapter.RESOURCE, State.SILENT)
    world.grown(2)
    world.live(40)
    why = "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from "
    assert conditions(world)["ScalingActive"] == ("False", "FailedGetResourceMetric")
    assert told(world, "FailedGetResourceMetric") == [f"{why}resource metrics API"]
    assert told(world, "FailedComputeMetricsReplicas") == [
        "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: "
        f"{why}resource metrics API"
    ]
    assert hpa(world)["status"]["currentMetrics"] == [{"type": ""}]


def test_absent_adapters_are_told_apart(world: World) -> None:
    add(world, 1, 8, pods_metric(SM, "60"), external_metric("queue", "5", {"q": "a"}))
    for adapter in Adapter:
        world.cluster.adapters.set(adapter, State.ABSENT)
    world.grown(2)
    world.live(20)
    assert "no custom metrics API (custom.metrics.k8s.io) registered" in told(world, "FailedGetPodsMetric")[0]
    assert (
        "unable to get external metric llm/queue/&LabelSelector{MatchLabels:map[string]string{q: a,},"
        "MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API"
    ) in told(world, "FailedGetExternalMetric")[0]
    assert "2 invalid out of 2" in told(world, "FailedComputeMetricsReplicas")[0]


def test_with_some_metrics_missing_it_scales_out_but_not_in(world: World) -> None:
    add(world, 1, 8, pods_metric("vllm:num_requests_running", "50"), pods_metric("nobody", "1"))
    demand(world, 190)
    world.grown(2)
    world.until(lambda: replicas(world) == 4, limit=60)
    assert hpa(world)["status"]["currentMetrics"][1] == {"type": ""}
    demand(world, 50)
    world.live(500)
    assert replicas(world) == 4
    assert conditions(world)["ScalingActive"] == ("False", "FailedGetPodsMetric")


def test_cpu_external_object_and_container_metrics_are_described_as_the_controller_does(world: World) -> None:
    selector = {"matchLabels": {"service": "chat"}}
    waiting = {"name": "vllm:num_requests_waiting", "selector": selector}
    about = {"apiVersion": "v1", "kind": "Service", "name": "chat"}
    metrics: list[tuple[Json, str]] = [
        (resource_metric("cpu", 5), "cpu resource utilization (percentage of request)"),
        (
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
            },
            "memory resource",
        ),
        (
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "container": "engine",
                    "target": {"type": "Utilization", "averageUtilization": 5},
                },
            },
            "cpu container resource utilization (percentage of request)",
        ),
        (
            {"type": "External", "external": {"metric": waiting, "target": {"type": "Value", "value": "10"}}},
            "external metric vllm:num_requests_waiting(&LabelSelector{MatchLabels:map[string]string"
            "{service: chat,},MatchExpressions:[]LabelSelectorRequirement{},})",
        ),
        (
            {
                "type": "Object",
                "object": {
                    "describedObject": about,
                    "metric": {"name": "vllm:num_requests_waiting"},
                    "target": {"type": "Value", "value": "10"},
                },
            },
            "Service metric vllm:num_requests_waiting",
        ),
    ]
    demand(world, 300, capacity=50)
    world.grown(2)
    for number, (metric, words) in enumerate(metrics):
        name = f"hpa-{number}"
        add(world, 1, 3, metric, name=name)
        world.until(lambda: replicas(world) == 3, limit=400)
        assert told(world, "SuccessfulRescale")[-1] == f"New size: 3; reason: {words} above target"
        world.store.delete(HPAS, "llm", name)
        world.scale(2)
        world.until(lambda: world.all_running(2), limit=60)


def test_two_hpas_of_the_same_pods_stop_each_other(world: World) -> None:
    demand(world, 400)
    world.grown(2)
    add(world, 2, 2, pods_metric(SM, "60"), name="a")
    world.live(20)
    add(world, 2, 2, pods_metric(SM, "60"), name="b")
    world.live(60)
    why = f"pods by selector {world.status()['labelSelector']} are controlled by multiple HPAs: [llm/a llm/b]"
    for name in "ab":
        assert conditions(world, name)["ScalingActive"] == ("False", "AmbiguousSelector")
    assert why in told(world, "AmbiguousSelector")
    assert why in told(world, "FailedComputeMetricsReplicas")


def test_pods_that_start_do_not_add_to_the_step(world: World) -> None:
    add(world, 1, 16, pods_metric(SM, "50"))
    world.grown(2)
    for pod in entries(world):
        world.cluster.demand.hold("llm", pod, {SM: 100})
    world.until(lambda: replicas(world) == 4, limit=40)
    pending = [p for p in entries(world) if world.pod(p)["status"].get("phase", "Pending") == "Pending"]
    assert len(pending) == 2
    world.live(16)
    assert replicas(world) == 4


def test_it_acts_on_each_hpa_every_quarter_of_a_minute(make_world: type[World]) -> None:
    world = make_world()
    add(world, 1, 4, pods_metric("vllm:num_requests_running", "50"))
    world.cluster.demand.assign("llm", "chat", {NAME: "chat"}, Steady(95), capacity=100, noise=0.04)
    world.grown(2, [Role("prefill")])
    seen = world.watch(HPAS)
    world.live(151)
    assert 9 <= len(seen) <= 10
