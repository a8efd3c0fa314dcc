"""What is joined of one cluster: which names lead to a ModelServing, and which wishes were passed over."""

from __future__ import annotations

from typing import Any

import pytest

from clients.kube import decode, hpa, kthena_policy
from clients.kube.workloads import shows
from clients.kube.world import World
from clients.serving.affected import count_of
from clients.serving.find import find
from tests.support import kthena_objects as objects
from tests.support.kthena_objects import raw, role

NOW = objects.EPOCH + 3600


def world_of(**serving: Any) -> World:
    world = World("c", order=lambda namespace, name: None, shown=lambda row: shows(row, everything=False))
    put(world, **serving)
    world.put_pod(decode.pod(raw(objects.pod(0, "prefill", 0))))
    odd = objects.pod(0, "prefill", 1, uid="stray", owner_uid="an-earlier-one")
    world.put_pod(decode.pod(raw(odd)))
    world.derive(NOW)
    return world


def put(world: World, **serving: Any) -> None:
    world.put_model_serving(decode.model_serving(raw(objects.model_serving(**serving))))


# Wishes that are passed over


def test_counts_that_change_again_before_a_look_are_told_one_by_one() -> None:
    world = world_of(replicas=2)
    put(world, replicas=4, generation=2)
    put(world, replicas=4, generation=2, status={"observedGeneration": 2})
    put(world, replicas=3, generation=3)
    put(world, replicas=2, generation=4)
    assert [(one.desired, one.generation) for one in world.passed()] == [(4, 2), (3, 3)]
    assert world.passed() == []
    changed, _ = world.derive(NOW + 1)
    assert [one.desired for one in changed.values()] == [2]


def test_roles_that_are_passed_over_are_told_with_who_wrote_them() -> None:
    world = world_of()
    fields: dict[str, Any] = {"f:spec": {"f:template": {"f:roles": {}}}}
    entry = {"manager": "helm", "operation": "Update", "fieldsV1": fields, "time": objects.rfc3339(NOW)}
    put(
        world, roles=[role("prefill", 3), role("decode", 1, 1)], generation=2, meta={"managedFields": [entry]}
    )
    put(world, generation=3)
    (passing,) = world.passed()
    assert count_of(passing).roles == (("prefill", 3), ("decode", 1))
    assert passing.roles_manager == "helm"


def test_what_is_looked_at_in_time_is_not_told_twice() -> None:
    world = world_of(replicas=2)
    put(world, replicas=4, generation=2)
    world.derive(NOW + 1)
    put(world, replicas=2, generation=3)
    assert world.passed() == []


def test_what_is_deleted_or_made_anew_passes_nothing_on() -> None:
    world = world_of(replicas=2)
    put(world, replicas=4, generation=2)
    put(world, replicas=2, generation=3)
    put(world, replicas=2, uid="another")
    assert world.passed() == []
    world.derive(NOW + 1)
    put(world, replicas=4, uid="another", generation=2)
    put(world, replicas=2, uid="another", generation=3)
    world.drop_model_serving(decode.model_serving(raw(objects.model_serving(uid="another"))))
    assert world.passed() == []


# The controller


def test_a_controller_that_makes_pods_for_another_one_is_not_silent() -> None:
    world = world_of(replicas=2)
    put(world, replicas=3, generation=2, status={"observedGeneration": 1, "replicas": 2})
    world.derive(NOW + 1)
    put(world, name="other", uid="other", generation=2, status={"observedGeneration": 2})
    busy = objects.pod(0, "prefill", 0, serving="other", owner_uid="other", created=NOW + 20)
    busy["metadata"]["ownerReferences"][0]["name"] = "other"
    world.put_pod(decode.pod(raw(busy)))
    world.derive(NOW + 40)
    assert [one.trouble for one in world.workloads if one.key.name == "qwen-chat"] == [None]
    world.derive(NOW + 51)
    (silent,) = (one.trouble for one in world.workloads if one.key.name == "qwen-chat")
    assert silent is not None
    assert silent.reason == "ControllerSilent"


# Names


def linked() -> World:
    meta = {
        "ownerReferences": [
            {
                "apiVersion": "workload.serving.volcano.sh/v1alpha1",
                "kind": "ModelBooster",
                "name": "boost",
                "uid": "b",
                "controller": True,
            }
        ]
    }
    world = world_of(meta=meta)
    for module, obj in ((hpa, HPA), (kthena_policy, BINDING)):
        row = module.decode(raw(obj))
        world.put_scaler(row, module.drivers(row), module.links(row))
    world.put_endpoints(
        decode.endpoint_slice(raw(objects.endpoint_slice("front", {"qwen-chat-0-prefill-0-0": True})))
    )
    return world


TARGET = {
    "apiVersion": "workload.serving.volcano.sh/v1alpha1",
    "kind": "ModelServing",
    "name": "qwen-chat",
}
HPA = {
    "metadata": {
        "uid": "h",
        "namespace": "llm-prod",
        "name": "keda-hpa",
        "ownerReferences": [
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "ScaledObject",
                "name": "queue",
                "uid": "s",
                "controller": True,
            }
        ],
    },
    "spec": {"scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 4},
}
BINDING = {
    "kind": "AutoscalingPolicyBinding",
    "metadata": {"uid": "a", "namespace": "llm-prod", "name": "bound"},
    "spec": {
        "policyRef": {"name": "rules"},
        "homogeneousTarget": {"target": {"targetRef": TARGET}, "minReplicas": 1, "maxReplicas": 4},
    },
}


@pytest.mark.parametrize(
    "name",
    [
        "hpa/keda-hpa",
        "scaledobject/queue",
        "aspb/bound",
        "autoscalingpolicy/rules",
        "modelbooster/boost",
        "svc/front",
        "llm-prod/front",
        "endpoints/front",
        "endpointslice/llm-prod/front-abcde",
        "pod/qwen-chat-0-prefill-0-0",
        "pod/qwen-chat-0-prefill-1-0",
    ],
)
def test_anything_in_its_chain_leads_to_the_model_serving(name: str) -> None:
    world = linked()
    keys = find(name, world.workloads, world.chains())
    assert [str(key) for key in keys] == ["ModelServing/llm-prod/qwen-chat"]


@pytest.mark.parametrize("name", ["svc/queue", "pod/front", "default/front", "svc/other"])
def test_a_name_of_another_kind_or_place_leads_nowhere(name: str) -> None:
    world = linked()
    assert find(name, world.workloads, world.chains()) == ()


def test_what_is_gone_leads_nowhere() -> None:
    world = linked()
    world.drop_scaler(hpa.decode(raw(HPA)))
    world.drop_endpoints(decode.endpoint_slice(raw(objects.endpoint_slice("front", {}))))
    for name in ("hpa/keda-hpa", "so/queue", "svc/front"):
        assert find(name, world.workloads, world.chains()) == ()


def test_a_service_in_front_drives_nothing() -> None:
    chains = linked().chains()
    (serving,) = chains.rows
    assert not any(ref.kind == "Service" for path in chains.drivers_of(serving) for ref in path)
