"""LeaderWorkerSets: groups and their pods, restarts, scaling, rolling updates, status, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.lws_webhook import review, with_defaults
from clients.embedded.faults import Fault, FaultKind
from tests.support.apps import STATEFUL_SETS, change_spec, condition, status_of
from tests.support.simworld import NAMESPACE, World

LWS = "leaderworkersets.leaderworkerset.x-k8s.io"
PREFIX = "leaderworkerset.sigs.k8s.io/"


def leader_worker_set(replicas: int = 2, size: int = 3, **spec: Any) -> Json:
    def template(name: str) -> Json:
        return {"spec": {"containers": [{"name": name, "image": "engine:1"}]}}

    group = {"size": size, "leaderTemplate": template("leader"), "workerTemplate": template("worker")}
    group |= spec.pop("group", {})
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "ds", "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "leaderWorkerTemplate": group, **spec},
    }


def created(world: World, replicas: int = 2, size: int = 3, **spec: Any) -> World:
    world.started()
    world.store.create(LWS, with_defaults(leader_worker_set(replicas, size, **spec)), manager="kubectl")
    return world


def grown(world: World, replicas: int = 2, size: int = 3, **spec: Any) -> World:
    created(world, replicas, size, **spec)
    world.until(lambda: status(world).get("readyReplicas") == replicas)
    return world


def status(world: World) -> Json:
    return status_of(world, LWS, "ds")


def group_pods(groups: int, size: int) -> list[str]:
    return sorted(
        name for g in range(groups) for name in (f"ds-{g}", *(f"ds-{g}-{w}" for w in range(1, size)))
    )


def new_image(world: World, image: str) -> None:
    def change(obj: Json) -> None:
        for name in ("leaderTemplate", "workerTemplate"):
            obj["spec"]["leaderWorkerTemplate"][name]["spec"]["containers"][0]["image"] = image

    assert world.store.mutate(LWS, NAMESPACE, "ds", change, manager="kubectl") is not None


def of_image(world: World, image: str) -> set[str]:
    return {n for n in world.pods() if world.pod(n)["spec"]["containers"][0]["image"] == image}


def test_groups_have_a_leader_and_workers_that_know_their_place(world: World) -> None:
    grown(world)
    assert world.pods() == group_pods(2, 3)
    leader, worker = world.pod("ds-1"), world.pod("ds-1-2")
    labels = worker["metadata"]["labels"]
    assert {k.removeprefix(PREFIX): v for k, v in labels.items() if k.startswith(PREFIX)} == {
        "name": "ds",
        "group-index": "1",
        "worker-index": "2",
        "group-key": leader["metadata"]["labels"][PREFIX + "group-key"],
        "template-revision-hash": leader["metadata"]["labels"][PREFIX + "template-revision-hash"],
    }
    assert leader["metadata"]["labels"][PREFIX + "worker-index"] == "0"
    assert worker["metadata"]["annotations"] == {PREFIX + "size": "3", PREFIX + "leader-name": "ds-1"}
    environment = {e["name"]: e["value"] for e in worker["spec"]["containers"][0]["env"]}
    assert environment == {
        "LWS_LEADER_ADDRESS": f"ds-1.ds.{NAMESPACE}", "LWS_GROUP_SIZE": "3", "LWS_WORKER_INDEX": "2",
    }  # fmt: skip
    workers = world.store.get(STATEFUL_SETS, NAMESPACE, "ds-1")
    assert workers is not None
    assert workers["metadata"]["ownerReferences"][0]["uid"] == leader["metadata"]["uid"]
    told = status(world)
    assert (told["replicas"], told["updatedReplicas"]) == (2, 2)
    assert told["hpaPodSelector"] == f"{PREFIX}name=ds,{PREFIX}worker-index=0"
    assert condition(told, "Available")["reason"] == "AllGroupsReady"
    assert condition(told, "Progressing")["status"] == "False"


def test_events_are_of_the_new_kind_and_repeats_are_a_series(world: World) -> None:
    grown(world)
    (made,) = [e for e in world.events("GroupsProgressing") if e["action"] == "Create"]
    assert made["message"] == "Created leader statefulset ds"
    assert made["reportingComponent"] == "leaderworkerset"
    assert made["source"] == {}
    assert "count" not in made
    assert made["series"]["count"] >= 3
    (ready,) = world.events("AllGroupsReady")
    assert ready["message"] == "All replicas are ready, with 2 groups ready of total 2 groups"


def test_leaders_may_have_to_be_ready_before_their_workers_come(world: World) -> None:
    created(world, startupPolicy="LeaderReady")
    world.cluster.faults.add(Fault(FaultKind.IMAGE, NAMESPACE, "ds-1"))
    world.until(lambda: "ds-0-1" in world.pods())
    world.live(30)
    assert world.pods() == ["ds-0", "ds-0-1", "ds-0-2", "ds-1"]
    assert status(world).get("readyReplicas") == 1


def test_the_highest_groups_go_whatever_their_health(world: World) -> None:
    grown(world, 3)
    world.cluster.kubelets.flap(NAMESPACE, "ds-0", 500)
    change_spec(world, LWS, "ds", replicas=1)
    world.until(lambda: world.pods() == group_pods(1, 3))
    assert not [e for e in world.events("GroupsProgressing") if e["action"] == "Delete"]
    change_spec(world, LWS, "ds", replicas=3)
    world.until(lambda: world.pods() == group_pods(3, 3))


def test_a_restarted_container_takes_its_group_along_and_no_other(world: World) -> None:
    grown(world)
    before = {name: world.pod(name)["metadata"]["uid"] for name in world.pods()}
    world.cluster.kubelets.crash(NAMESPACE, "ds-1-2", Fault(FaultKind.CRASH, NAMESPACE, "ds-1-2"))
    world.until(lambda: status(world).get("readyReplicas") == 1)
    world.until(lambda: status(world).get("readyReplicas") == 2)
    after = {name: world.pod(name)["metadata"]["uid"] for name in world.pods()}
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {"ds-1", "ds-1-1", "ds-1-2"}
    (event,) = world.events("RecreateGroup")
    assert event["message"] == "Worker pod ds-1-2 failed, deleted leader pod ds-1 to recreate group 1"


def test_without_a_restart_policy_the_group_stays(world: World) -> None:
    grown(world, group={"restartPolicy": "None"})
    leader = world.pod("ds-1")["metadata"]["uid"]
    world.cluster.kubelets.crash(NAMESPACE, "ds-1-2", Fault(FaultKind.CRASH, NAMESPACE, "ds-1-2"))
    world.live(60)
    assert world.pod("ds-1")["metadata"]["uid"] == leader
    assert status(world)["readyReplicas"] == 2


def test_a_rolling_update_goes_from_the_highest_group_down_one_at_a_time(world: World) -> None:
    grown(world, 3)
    gone: list[str] = []
    least = 3
    world.store.subscribe(
        "pods", lambda change, pod: gone.append(pod["metadata"]["name"]) if change == "DELETED" else None
    )
    new_image(world, "engine:2")

    def finished() -> bool:
        nonlocal least
        told = status(world)
        least = min(least, told.get("readyReplicas", 0))
        counts = told.get("updatedReplicas"), told.get("readyReplicas")
        return told["observedGeneration"] == 2 and counts == (3, 3)

    world.until(finished, step=0.1)
    assert [name for name in gone if name.count("-") == 1] == ["ds-2", "ds-1", "ds-0"]
    assert least == 2
    assert of_image(world, "engine:2") == set(group_pods(3, 3))
    world.live(5)
    assert condition(status(world), "Available")["status"] == "True"
    assert condition(status(world), "UpdateInProgress")["status"] == "False"
    updating = [e["message"] for e in world.events("GroupsUpdating") if e["action"] == "Update"]
    assert updating == ["Updating replica 2"]


def test_a_group_that_is_down_counts_as_unavailable_before_any_is_rolled(world: World) -> None:
    grown(world, 3)
    world.cluster.kubelets.flap(NAMESPACE, "ds-0", 60)
    new_image(world, "engine:2")
    world.live(50)
    assert of_image(world, "engine:2") == set()
    world.until(lambda: of_image(world, "engine:2") == set(group_pods(3, 3)))


def test_an_update_never_goes_back_when_an_updated_group_fails_its_probe(world: World) -> None:
    grown(world, 3)
    partitions: list[int] = []

    def heard(_change: str, obj: Json) -> None:
        if obj["metadata"]["name"] == "ds":
            partitions.append(obj["spec"]["updateStrategy"]["rollingUpdate"]["partition"])

    world.store.subscribe(STATEFUL_SETS, heard)
    new_image(world, "engine:2")
    world.until(lambda: 1 in partitions)
    assert world.cluster.kubelets.flap(NAMESPACE, "ds-2", 30)
    world.until(lambda: of_image(world, "engine:2") == set(group_pods(3, 3)))
    started = partitions[partitions.index(3) :]
    assert started == sorted(started, reverse=True)


def test_surge_groups_come_first_and_are_given_back(world: World) -> None:
    rollout = {"type": "RollingUpdate", "rollingUpdateConfiguration": {"maxUnavailable": 0, "maxSurge": 1}}
    grown(world, 2, rolloutStrategy=rollout)
    new_image(world, "engine:2")
    most = 0

    def finished() -> bool:
        nonlocal most
        most = max(most, status(world).get("replicas", 0))
        return of_image(world, "engine:2") == set(group_pods(2, 3)) and world.pods() == group_pods(2, 3)

    world.until(finished, step=0.1)
    assert most == 3
    (deleted,) = [e for e in world.events("GroupsProgressing") if e["action"] == "Delete"]
    assert deleted["message"] == "deleting surge replica ds-2"


def test_a_partition_keeps_the_lower_groups_as_they_are(world: World) -> None:
    rollout = {"type": "RollingUpdate", "rollingUpdateConfiguration": {"partition": 2}}
    grown(world, 3, rolloutStrategy=rollout)
    new_image(world, "engine:2")
    world.until(lambda: status(world).get("readyReplicas") == 3 and status(world).get("updatedReplicas") == 1)
    world.live(60)
    assert of_image(world, "engine:2") == {"ds-2", "ds-2-1", "ds-2-2"}
    assert condition(status(world), "Available")["status"] == "True"


def test_a_scaled_leader_set_is_put_back(world: World) -> None:
    grown(world)
    world.store.mutate(
        STATEFUL_SETS, NAMESPACE, "ds", lambda o: o["spec"].update(replicas=5), manager="kubectl"
    )
    world.live(1)
    found = world.store.get(STATEFUL_SETS, NAMESPACE, "ds")
    assert found is not None
    assert found["spec"]["replicas"] == 2


def test_a_group_of_one_has_no_workers_and_deletion_leaves_nothing(world: World) -> None:
    grown(world, 2, 1)
    assert world.pods() == ["ds-0", "ds-1"]
    world.store.delete(LWS, NAMESPACE, "ds")
    world.until(lambda: not world.pods())
    assert not world.store.list(STATEFUL_SETS)
    assert not world.store.list("services", NAMESPACE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"replicas": 2_000_000_000, "size": 2}, "the product of replicas and worker replicas"),
        ({"size": 0}, "size must be equal or greater than 1"),
        ({"maxUnavailable": 0}, "must not be 0 when `maxSurge` is 0"),
        ({"maxUnavailable": "x%"}, "must be a non-negative integer or a percentage"),
        ({"subGroupSize": 4}, "subGroupSize cannot be larger than size"),
    ],
)
def test_what_the_webhook_refuses(change: Json, told: str) -> None:
    obj = leader_worker_set()
    template = obj["spec"]["leaderWorkerTemplate"]
    obj["spec"]["replicas"] = change.get("replicas", 2)
    template["size"] = change.get("size", 3)
    if "maxUnavailable" in change:
        rolling = {"maxUnavailable": change["maxUnavailable"]}
        obj["spec"]["rolloutStrategy"] = {"type": "RollingUpdate", "rollingUpdateConfiguration": rolling}
    if "subGroupSize" in change:
        template["subGroupPolicy"] = {"subGroupSize": change["subGroupSize"]}
    with pytest.raises(ApiError) as refused:
        review("CREATE", None, obj, None)
    assert refused.value.code == 403
    assert told in str(refused.value)


def test_a_size_of_subgroups_stays_what_it_is() -> None:
    old = leader_worker_set(group={"subGroupPolicy": {"subGroupSize": 1}})
    new = leader_worker_set(group={"subGroupPolicy": {"subGroupSize": 3}})
    with pytest.raises(ApiError, match="immutable"):
        review("UPDATE", old, new, None)
