"""The HPA controller, and the EndpointSlices that show what is in rotation."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.hpa import hpa_object
from clients.embedded.servings import Role
from tests.support.simworld import World

HPAS = "horizontalpodautoscalers.autoscaling"


def hpa(world: World) -> Json:
    found = world.store.get(HPAS, "llm", "chat")
    assert found is not None
    return found


def test_it_scales_between_its_bounds_and_says_so(make_world: type[World]) -> None:
    world = make_world(nodes=8)
    world.store.create(HPAS, hpa_object("llm", "chat", 1, 4, 60), manager="helm")
    world.grown(2)
    seen: set[int] = set()

    def change(_change: str, obj: Json) -> None:
        seen.add(obj["spec"]["replicas"])

    world.store.subscribe("modelservings.workload.serving.volcano.sh", change)
    world.live(2 * 2700)
    assert {1, 4} <= seen <= {1, 2, 3, 4}
    status = hpa(world)["status"]
    assert {c["type"] for c in status["conditions"]} == {"AbleToScale", "ScalingActive", "ScalingLimited"}
    assert status["lastScaleTime"]
    assert status["desiredReplicas"] == world.serving()["spec"]["replicas"]
    events = world.events("SuccessfulRescale")
    assert events
    assert events[-1]["involvedObject"]["kind"] == "HorizontalPodAutoscaler"
    assert events[-1]["message"].startswith("New size: ")
    owners = [
        e
        for e in world.serving()["metadata"]["managedFields"]
        if "f:replicas" in str(e["fieldsV1"].get("f:spec"))
    ]
    assert owners[0]["manager"] == "kube-controller-manager"
    assert owners[0].get("subresource") == "scale"


def test_it_overrides_a_hand_within_a_few_periods(world: World) -> None:
    world.store.create(HPAS, hpa_object("llm", "chat", 2, 2, 60), manager="helm")
    world.grown(2)
    world.scale(4)
    world.until(lambda: world.serving()["spec"]["replicas"] == 2, limit=400)


def test_at_zero_it_rests(world: World) -> None:
    world.store.create(HPAS, hpa_object("llm", "chat", 1, 4, 60), manager="helm")
    world.grown(2)
    world.scale(0)
    world.live(120)
    assert world.serving()["spec"]["replicas"] == 0
    active = next(c for c in hpa(world)["status"]["conditions"] if c["type"] == "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "ScalingDisabled")


def test_without_its_target_it_says_what_is_missing(world: World) -> None:
    world.store.create(HPAS, hpa_object("llm", "nobody", 1, 4, 60), manager="helm")
    world.started().live(20)
    found = world.store.get(HPAS, "llm", "nobody")
    assert found is not None
    (condition,) = found["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("AbleToScale", "FailedGetScale")


def rotation(world: World) -> tuple[int, int]:
    (found,) = world.store.list("endpointslices.discovery.k8s.io", "llm")
    ready = [e for e in found["endpoints"] if e["conditions"]["ready"]]
    return len(ready), len(found["endpoints"])


def test_endpoints_follow_readiness_and_termination(world: World) -> None:
    world.grown(2, [Role("prefill", 2), Role("decode", 1, 1)])
    assert rotation(world) == (4, 4)
    world.cluster.kubelets.flap("llm", "chat-0-prefill-1-0", 20)
    world.live(2)
    assert rotation(world) == (3, 4)
    world.live(30)
    assert rotation(world) == (4, 4)
    world.scale(1)
    world.live(2)
    assert rotation(world) == (2, 4)
    world.live(30)
    assert rotation(world) == (2, 2)
    world.scale(2)
    world.until(lambda: rotation(world) == (4, 4), limit=120)
