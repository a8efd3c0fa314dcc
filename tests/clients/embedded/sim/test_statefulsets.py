"""StatefulSets: order, what blocks them, ordinals, rolling updates with a partition, status."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.faults import Fault, FaultKind
from tests.support.apps import STATEFUL_SETS, change_spec, new_image, status_of, workload
from tests.support.simworld import NAMESPACE, World


def created(world: World, replicas: int, **spec: Any) -> World:
    world.started()
    spec = {"serviceName": "web", **spec}
    world.store.create(STATEFUL_SETS, workload("StatefulSet", replicas=replicas, **spec), manager="kubectl")
    return world


def grown(world: World, replicas: int, **spec: Any) -> World:
    created(world, replicas, **spec)
    world.until(lambda: status_of(world, STATEFUL_SETS).get("readyReplicas") == replicas)
    return world


def pod_changes(world: World, change: str) -> list[tuple[float, str]]:
    """(seconds, name) of every later change of that sort; the list grows."""
    seen: list[tuple[float, str]] = []

    def heard(kind: str, obj: Json) -> None:
        if kind == change:
            seen.append((world.now, obj["metadata"]["name"]))

    world.store.subscribe("pods", heard)
    return seen


def images(world: World) -> dict[str, str]:
    return {name: world.pod(name)["spec"]["containers"][0]["image"] for name in world.pods()}


def test_ordered_pods_come_one_after_the_other_is_ready_and_go_from_the_highest(world: World) -> None:
    added = pod_changes(world, "ADDED")
    grown(world, 3)
    assert [name for _, name in added] == ["web-0", "web-1", "web-2"]
    for (earlier, name), (later, _) in pairwise(added):
        ready = next(c for c in world.pod(name)["status"]["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "True"
        assert later > earlier + 1
    pod = world.pod("web-1")
    labels = pod["metadata"]["labels"]
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels["statefulset.kubernetes.io/pod-name"] == "web-1"
    assert labels["controller-revision-hash"] == status_of(world, STATEFUL_SETS)["updateRevision"]
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-1", "web")
    gone = pod_changes(world, "DELETED")
    change_spec(world, STATEFUL_SETS, replicas=1)
    world.until(lambda: world.pods() == ["web-0"])
    assert [name for _, name in gone] == ["web-2", "web-1"]
    assert gone[1][0] > gone[0][0] + 1
    assert [e["message"] for e in world.events("SuccessfulDelete")] == [
        "delete Pod web-2 in StatefulSet web successful",
        "delete Pod web-1 in StatefulSet web successful",
    ]


def test_an_unhealthy_lower_pod_blocks_both_ways(world: World) -> None:
    grown(world, 3)
    world.cluster.kubelets.flap(NAMESPACE, "web-0", 60)
    change_spec(world, STATEFUL_SETS, replicas=1)
    world.live(50)
    assert len(world.pods()) == 3
    world.until(lambda: len(world.pods()) == 1)


def test_of_two_unhealthy_pods_to_go_the_higher_waits_until_it_is_well(world: World) -> None:
    grown(world, 3)
    world.cluster.kubelets.flap(NAMESPACE, "web-1", 200)
    world.cluster.kubelets.flap(NAMESPACE, "web-2", 60)
    change_spec(world, STATEFUL_SETS, replicas=1)
    world.live(50)
    assert len(world.pods()) == 3
    world.until(lambda: world.pods() == ["web-0"], limit=90)


def test_parallel_bursts_both_ways(world: World) -> None:
    added = pod_changes(world, "ADDED")
    grown(world, 4, podManagementPolicy="Parallel")
    assert len({at for at, _ in added}) == 1
    change_spec(world, STATEFUL_SETS, replicas=1)
    world.live(0.2)
    assert [n for n in world.pods() if "deletionTimestamp" not in world.pod(n)["metadata"]] == ["web-0"]


def test_ordinals_may_start_elsewhere(world: World) -> None:
    grown(world, 2, ordinals={"start": 5})
    assert world.pods() == ["web-5", "web-6"]


def test_a_rolling_update_goes_down_to_its_partition_and_no_further(world: World) -> None:
    partition = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    grown(world, 4, updateStrategy=partition)
    gone = pod_changes(world, "DELETED")
    new_image(world, STATEFUL_SETS, "engine:2")
    world.until(lambda: status_of(world, STATEFUL_SETS).get("updatedReplicas") == 2)
    world.live(30)
    assert [name for _, name in gone] == ["web-3", "web-2"]
    assert images(world) == {
        "web-0": "engine:1", "web-1": "engine:1", "web-2": "engine:2", "web-3": "engine:2",
    }  # fmt: skip
    status = status_of(world, STATEFUL_SETS)
    assert status["currentRevision"] != status["updateRevision"]
    assert status["currentReplicas"] == 2
    world.store.delete("pods", NAMESPACE, "web-0")
    world.until(lambda: status_of(world, STATEFUL_SETS).get("readyReplicas", 0) < 4)
    world.until(lambda: status_of(world, STATEFUL_SETS).get("readyReplicas") == 4)
    assert images(world)["web-0"] == "engine:1"
    change_spec(
        world, STATEFUL_SETS, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    )
    world.until(lambda: set(images(world).values()) == {"engine:2"})
    world.until(lambda: status_of(world, STATEFUL_SETS).get("currentReplicas") == 4)
    status = status_of(world, STATEFUL_SETS)
    assert status["currentRevision"] == status["updateRevision"]


def test_a_rolling_update_waits_for_a_pod_that_does_not_come_up(world: World) -> None:
    grown(world, 3)
    world.cluster.faults.add(Fault(FaultKind.IMAGE, NAMESPACE, "web-2"))
    new_image(world, STATEFUL_SETS, "engine:missing")
    world.live(120)
    assert images(world) == {"web-0": "engine:1", "web-1": "engine:1", "web-2": "engine:missing"}


def test_on_delete_leaves_pods_alone(world: World) -> None:
    grown(world, 2, updateStrategy={"type": "OnDelete"})
    new_image(world, STATEFUL_SETS, "engine:2")
    world.live(30)
    assert set(images(world).values()) == {"engine:1"}
    world.store.delete("pods", NAMESPACE, "web-0")
    world.until(lambda: images(world).get("web-0") == "engine:2")


def test_a_deleted_set_leaves_no_pods(world: World) -> None:
    grown(world, 2)
    world.store.delete(STATEFUL_SETS, NAMESPACE, "web")
    world.until(lambda: not world.pods())
    assert not world.store.list("controllerrevisions.apps")
