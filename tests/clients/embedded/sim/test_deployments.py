"""Deployments and ReplicaSets: rollouts within their limits, scaling, order of deletion, what they tell."""

from __future__ import annotations

from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_labels import DELETION_COST
from clients.embedded.faults import Fault, FaultKind
from tests.support.apps import (
    DEPLOYMENTS,
    REPLICA_SETS,
    change_spec,
    condition,
    new_image,
    status_of,
    workload,
)
from tests.support.simworld import NAMESPACE, World


def grown(world: World, replicas: int, **spec: Any) -> World:
    """A Deployment with all its pods available."""
    world.started()
    world.store.create(DEPLOYMENTS, workload("Deployment", replicas=replicas, **spec), manager="kubectl")
    world.until(lambda: status_of(world, DEPLOYMENTS).get("availableReplicas", 0) == replicas)
    return world


def sizes(world: World) -> dict[int, int]:
    """Wanted pods by revision."""
    return {
        int(rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"]): rs["spec"]["replicas"]
        for rs in world.store.list(REPLICA_SETS)
    }


def told(world: World) -> list[str]:
    """The Deployment's events."""
    return [e["message"] for e in world.events("ScalingReplicaSet")]


def deployment(world: World) -> Json:
    found = world.store.get(DEPLOYMENTS, NAMESPACE, "web")
    assert found is not None
    return found


def test_pods_belong_to_a_replica_set_that_belongs_to_the_deployment(world: World) -> None:
    grown(world, 3)
    (replica_set,) = world.store.list(REPLICA_SETS)
    mark = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{mark}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": mark}
    assert replica_set["metadata"]["ownerReferences"][0]["uid"] == deployment(world)["metadata"]["uid"]
    assert replica_set["status"]["readyReplicas"] == 3
    for name in world.pods():
        pod = world.pod(name)
        assert name.startswith(f"web-{mark}-")
        assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": mark}
        assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    assert deployment(world)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    status = status_of(world, DEPLOYMENTS)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 3)
    assert {k: v for k, v in status.items() if k != "conditions"} == {"observedGeneration": 1, **counts}
    progressing = condition(status, "Progressing")
    assert progressing["reason"] == "NewReplicaSetAvailable"
    assert progressing["message"] == f'ReplicaSet "web-{mark}" has successfully progressed.'
    assert condition(status, "Available")["reason"] == "MinimumReplicasAvailable"
    assert told(world) == [f"Scaled up replica set web-{mark} from 0 to 3"]


def test_a_rollout_keeps_to_surge_and_unavailability_to_its_end(world: World) -> None:
    grown(
        world,
        8,
        strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "25%"}},
    )
    most, least = 0, 99
    new_image(world, DEPLOYMENTS, "engine:2")

    def finished() -> bool:
        nonlocal most, least
        most = max(most, sum(rs["spec"]["replicas"] for rs in world.store.list(REPLICA_SETS)))
        least = min(least, status_of(world, DEPLOYMENTS).get("availableReplicas", 0))
        return sizes(world) == {1: 0, 2: 8} and status_of(world, DEPLOYMENTS).get("availableReplicas") == 8

    world.until(finished, step=0.05)
    assert most == 10
    assert least == 6
    world.live(1)
    assert condition(status_of(world, DEPLOYMENTS), "Progressing")["reason"] == "NewReplicaSetAvailable"
    new_image(world, DEPLOYMENTS, "engine:1")
    world.until(lambda: sizes(world) == {2: 0, 3: 8})
    assert len(world.store.list(REPLICA_SETS)) == 2


def test_a_scale_during_a_rollout_is_spread_over_old_and_new(world: World) -> None:
    grown(
        world, 10, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    )
    world.cluster.faults.add(Fault(FaultKind.IMAGE, NAMESPACE, "*"))
    new_image(world, DEPLOYMENTS, "engine:missing")
    world.live(30)
    assert sizes(world) == {1: 8, 2: 5}
    change_spec(world, DEPLOYMENTS, replicas=15)
    world.live(1)
    assert sizes(world) == {1: 11, 2: 7}


def test_a_rollout_that_does_not_get_on_is_called_stuck(world: World) -> None:
    grown(world, 4, progressDeadlineSeconds=60)
    world.cluster.faults.add(Fault(FaultKind.IMAGE, NAMESPACE, "*"))
    new_image(world, DEPLOYMENTS, "engine:missing")
    world.live(50)
    assert condition(status_of(world, DEPLOYMENTS), "Progressing")["status"] == "True"
    world.live(30)
    stuck = condition(status_of(world, DEPLOYMENTS), "Progressing")
    assert (stuck["status"], stuck["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert stuck["message"].endswith("has timed out progressing.")
    assert status_of(world, DEPLOYMENTS)["unavailableReplicas"] == 2


def test_recreate_waits_until_the_old_pods_are_gone(world: World) -> None:
    grown(world, 2, strategy={"type": "Recreate"})
    old = set(world.pods())
    new_image(world, DEPLOYMENTS, "engine:2")
    together = False

    def replaced() -> bool:
        nonlocal together
        pods = set(world.pods())
        together = together or bool(pods & old and pods - old)
        return len(pods) == 2 and not pods & old

    world.until(replaced, step=0.1)
    assert not together


def test_a_paused_deployment_scales_and_does_not_roll(world: World) -> None:
    grown(world, 2)
    change_spec(world, DEPLOYMENTS, paused=True)
    new_image(world, DEPLOYMENTS, "engine:2")
    change_spec(world, DEPLOYMENTS, replicas=3)
    world.live(20)
    assert sizes(world) == {1: 3}
    assert condition(status_of(world, DEPLOYMENTS), "Progressing")["reason"] == "DeploymentPaused"
    change_spec(world, DEPLOYMENTS, paused=False)
    world.until(lambda: sizes(world) == {1: 0, 2: 3})


def test_pods_go_by_cost_before_age_and_unready_ones_before_all(world: World) -> None:
    grown(world, 4)
    first, second, third, fourth = world.pods()
    world.annotate(first, DELETION_COST, "100")
    world.annotate(second, DELETION_COST, "-5")
    world.cluster.kubelets.flap(NAMESPACE, third, 600)
    world.live(1)
    change_spec(world, DEPLOYMENTS, replicas=3)
    world.until(lambda: third not in world.pods())
    change_spec(world, DEPLOYMENTS, replicas=2)
    world.until(lambda: second not in world.pods())
    assert world.pods() == [first, fourth]


def test_a_crowded_node_is_thinned_out_first(world: World) -> None:
    world.cluster.namespaces([NAMESPACE])
    world.started()
    world.store.create(DEPLOYMENTS, workload("Deployment", replicas=3, gpus=4), manager="kubectl")
    world.until(lambda: status_of(world, DEPLOYMENTS).get("availableReplicas", 0) == 3)
    by_node: dict[str, list[str]] = {}
    for name in world.pods():
        by_node.setdefault(world.pod(name)["spec"]["nodeName"], []).append(name)
    (crowded,) = [names for names in by_node.values() if len(names) == 2]
    change_spec(world, DEPLOYMENTS, replicas=2)
    world.until(lambda: len(world.pods()) == 2)
    assert len(set(crowded) & set(world.pods())) == 1


def test_a_deleted_pod_is_replaced_and_a_deleted_deployment_leaves_nothing(world: World) -> None:
    grown(world, 2)
    gone = world.pods()[0]
    world.store.delete("pods", NAMESPACE, gone)
    world.until(lambda: gone not in world.pods() and len(world.pods()) == 2)
    world.store.delete(DEPLOYMENTS, NAMESPACE, "web")
    world.until(lambda: not world.pods() and not world.store.list(REPLICA_SETS))
