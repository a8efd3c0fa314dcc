"""KEDA: the HPA it keeps, waking and resting, pauses, conditions, events, and what its webhook refuses."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.hpa_objects import hpa_object, pods_metric, serving_reference
from clients.embedded.controllers.keda import SCALED_OBJECTS, review
from clients.embedded.controllers.kthena_labels import NAME
from clients.embedded.curves import Steady
from tests.support.simworld import START, World

QUERY = 'sum(vllm:num_requests_waiting{service="chat"})'


def prometheus(threshold: str = "10", **more: str) -> Json:
    return {
        "type": "prometheus",
        "metadata": {"serverAddress": "http://prometheus", "query": QUERY, "threshold": threshold, **more},
    }


def submit(world: World, *triggers: Json, **spec: Any) -> None:
    world.store.create(
        SCALED_OBJECTS,
        {
            "metadata": {"name": "chat", "namespace": "llm"},
            "spec": {"scaleTargetRef": serving_reference("chat"), "triggers": list(triggers), **spec},
        },
        manager="kubectl",
        validate=True,
    )


def hpa(world: World) -> Json | None:
    return world.store.get(HPAS, "llm", "keda-hpa-chat")


def scaled(world: World) -> Json:
    found = world.store.get(SCALED_OBJECTS, "llm", "chat")
    assert found is not None
    return found


def conditions(world: World) -> dict[str, str]:
    return {c["type"]: c["status"] for c in scaled(world)["status"]["conditions"]}


def replicas(world: World) -> int:
    wanted: int = world.serving()["spec"]["replicas"]
    return wanted


def demand(world: World, in_flight: float) -> None:
    selector = {NAME: "chat"}
    world.cluster.demand.assign("llm", "chat", selector, Steady(in_flight), capacity=20, noise=0)


def annotate(world: World, **notes: str | None) -> None:
    def change(obj: Json) -> None:
        kept = obj["metadata"].setdefault("annotations", {})
        for name, value in notes.items():
            kept[f"autoscaling.keda.sh/{name.replace('_', '-')}"] = value
            if value is None:
                del kept[f"autoscaling.keda.sh/{name.replace('_', '-')}"]

    world.store.mutate(SCALED_OBJECTS, "llm", "chat", change, manager="kubectl")


def told(world: World, reason: str) -> list[str]:
    return [e["message"] for e in world.events(reason)]


def test_it_owns_an_hpa_that_scales_on_its_metrics(world: World) -> None:
    demand(world, 90)
    world.grown(1)
    submit(world, prometheus(), minReplicaCount=1, maxReplicaCount=4)
    world.live(1)
    made = hpa(world)
    assert made is not None
    assert made["metadata"]["ownerReferences"][0]["name"] == "chat"
    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (1, 4)
    assert made["spec"]["metrics"] == [
        {
            "type": "External",
            "external": {
                "metric": {
                    "name": "s0-prometheus",
                    "selector": {"matchLabels": {"scaledobject.keda.sh/name": "chat"}},
                },
                "target": {"type": "AverageValue", "averageValue": "10"},
            },
        }
    ]
    world.until(lambda: replicas(world) == 4, limit=60)
    status = scaled(world)["status"]
    assert status["hpaName"] == "keda-hpa-chat"
    assert status["triggersTypes"] == "prometheus"
    assert status["scaleTargetKind"] == "workload.serving.volcano.sh/v1alpha1.ModelServing"
    world.live(30)
    assert conditions(world) == {
        "Ready": "True",
        "Active": "True",
        "Fallback": "False",
        "Paused": "Unknown",
        "HPAActive": "True",
    }
    assert scaled(world)["status"]["health"] == {"s0-prometheus": {"numberOfFailures": 0, "status": "Happy"}}
    assert told(world, "ScaledObjectReady") == ["ScaledObject is ready for scaling"]


def test_what_anybody_changes_in_the_hpa_is_put_back_at_once(world: World) -> None:
    demand(world, 10)
    world.grown(1)
    submit(world, prometheus(), minReplicaCount=1, maxReplicaCount=4)
    world.live(1)

    def edit(obj: Json) -> None:
        obj["spec"]["maxReplicas"] = 9

    world.store.mutate(HPAS, "llm", "keda-hpa-chat", edit, manager="kubectl")
    world.live(0.2)
    made = hpa(world)
    assert made is not None
    assert made["spec"]["maxReplicas"] == 4
    world.store.delete(HPAS, "llm", "keda-hpa-chat")
    world.live(0.2)
    assert hpa(world) is not None
    world.store.delete(SCALED_OBJECTS, "llm", "chat")
    world.live(5)
    assert hpa(world) is None


def test_it_rests_at_zero_after_the_cooldown_and_wakes_for_what_waits(world: World) -> None:
    demand(world, 25)
    world.grown(1)
    submit(world, prometheus(), maxReplicaCount=4, cooldownPeriod=120, pollingInterval=10)
    world.live(30)
    assert conditions(world)["Active"] == "True"
    demand(world, 0)
    quiet = world.now
    slept = world.until(lambda: replicas(world) == 0, limit=300)
    assert 110 <= slept - quiet <= 150
    assert told(world, "KEDAScaleTargetDeactivated") == [
        "Deactivated workload.serving.volcano.sh/v1alpha1.ModelServing llm/chat from 1 to 0"
    ]
    world.live(60)
    assert replicas(world) == 0
    assert conditions(world)["Active"] == "False"
    demand(world, 5)
    world.until(lambda: replicas(world) == 1, limit=40)
    assert told(world, "KEDAScaleTargetActivated") == [
        "Scaled workload.serving.volcano.sh/v1alpha1.ModelServing llm/chat from 0 to 1, "
        "triggered by prometheusScaler"
    ]


def test_a_pause_deletes_the_hpa_and_ends_with_its_annotation(world: World) -> None:
    demand(world, 90)
    world.grown(2)
    submit(world, prometheus(), minReplicaCount=1, maxReplicaCount=4)
    world.live(1)
    annotate(world, paused="true")
    world.live(60)
    assert hpa(world) is None
    assert replicas(world) == 2
    assert conditions(world)["Paused"] == "True"
    annotate(world, paused_replicas="3")
    world.live(1)
    assert replicas(world) == 3
    assert scaled(world)["status"]["pausedReplicaCount"] == 3
    annotate(world, paused=None, paused_replicas=None)
    world.live(1)
    assert hpa(world) is not None
    assert conditions(world)["Paused"] == "False"
    assert "pausedReplicaCount" not in scaled(world)["status"]
    assert told(world, "ScaledObjectPaused") == ["ScaledObject is paused"]
    assert len(told(world, "ScaledObjectUnpaused")) == 1


def test_one_direction_can_be_paused(world: World) -> None:
    demand(world, 90)
    world.grown(1)
    submit(world, prometheus(), minReplicaCount=1, maxReplicaCount=4)
    annotate(world, paused_scale_out="true")
    world.live(60)
    made = hpa(world)
    assert made is not None
    assert made["spec"]["behavior"]["scaleUp"]["selectPolicy"] == "Disabled"
    assert replicas(world) == 1


def test_a_cron_trigger_holds_its_count_between_start_and_end(world: World) -> None:
    # The world begins at 22:13 UTC.
    cron = {"timezone": "UTC", "start": "20 22 * * *", "end": "30 22 * * *", "desiredReplicas": "3"}
    assert START % 86_400 == 22 * 3600 + 13 * 60 + 20
    world.grown(1)
    submit(world, {"type": "cron", "metadata": cron}, minReplicaCount=1, maxReplicaCount=4)
    world.live(60)
    made = hpa(world)
    assert made is not None
    assert made["spec"]["metrics"][0]["external"]["metric"]["name"] == "s0-cron-UTC-2022xxx-3022xxx"
    assert replicas(world) == 1
    world.until(lambda: replicas(world) == 3, limit=600)
    assert world.now == pytest.approx(400, abs=20)
    world.until(lambda: replicas(world) == 1, limit=1200)
    assert world.now > 1000 + 290


def test_cpu_is_left_to_the_hpa_and_never_rests(world: World) -> None:
    demand(world, 0)
    world.grown(2)
    submit(world, {"type": "cpu", "metadata": {"value": "50"}}, cooldownPeriod=10)
    world.live(600)
    made = hpa(world)
    assert made is not None
    assert made["spec"]["metrics"][0]["resource"]["target"] == {
        "type": "Utilization",
        "averageUtilization": 50,
    }
    assert replicas(world) == 1


def test_a_query_without_an_answer_is_a_failing_scaler(world: World) -> None:
    world.grown(1)
    submit(world, prometheus(query="up"), minReplicaCount=1)
    world.live(65)
    assert scaled(world)["status"]["health"]["s0-prometheus"]["status"] == "Failing"
    assert "target may be lost" in told(world, "KEDAScalerFailed")[0]
    assert conditions(world)["HPAActive"] == "False"


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ({"type": "kafka", "metadata": {}}, "no scaler found for type: kafka"),
        ({"type": "prometheus", "metadata": {}}, 'missing required parameter "serverAddress"'),
        (prometheus("soon"), 'unable to set param "threshold" value "soon"'),
        (prometheus("1e999999999"), 'unable to set param "threshold"'),
        (prometheus("0"), "threshold should be higher than 0"),
    ],
)
def test_a_trigger_that_makes_no_sense_fails_the_check(world: World, trigger: Json, message: str) -> None:
    world.grown(1)
    submit(world, trigger)
    world.live(2)
    assert conditions(world)["Ready"] == "False"
    assert message in told(world, "ScaledObjectCheckFailed")[0]
    assert hpa(world) is None


def test_the_webhook_refuses_a_second_master_and_bounds_that_cross(world: World) -> None:
    world.grown(1)
    other = hpa_object("llm", "mine", serving_reference("chat"), 1, 2, [pods_metric("x", "1")])
    world.store.create(HPAS, other, manager="helm")
    spec: Json = {"scaleTargetRef": serving_reference("chat"), "triggers": [prometheus()]}
    made = {"metadata": {"name": "chat", "namespace": "llm"}, "spec": spec}
    assert review(world.store, "CREATE", made, None) == [
        "the workload 'chat' of type 'workload.serving.volcano.sh/v1alpha1.ModelServing' is already managed "
        "by the hpa 'mine'"
    ]
    crossed = {**made, "spec": {**spec, "minReplicaCount": 5, "maxReplicaCount": 2}}
    assert review(world.store, "CREATE", crossed, None) == [
        "MinReplicaCount=5 must be less than MaxReplicaCount=2"
    ]
    assert review(world.store, "UPDATE", crossed, "status") is None
