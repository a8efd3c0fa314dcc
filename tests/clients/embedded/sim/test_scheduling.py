"""Which pods get a node, and what those are told that get none."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.scenarios.ground import notebook
from clients.embedded.servings import Role
from tests.support.simworld import World


def scheduled(pod: Json) -> Json:
    found: Json = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    return found


def podgroup(world: World, name: str) -> Json:
    found = world.store.get("podgroups.scheduling.volcano.sh", "llm", name)
    assert found is not None
    return found


def test_pod_by_pod_the_message_is_kube_schedulers(make_world: type[World]) -> None:
    world = make_world(nodes=3).grown(1, [Role("prefill", gpus=8)], scheduler="default-scheduler")

    def cordon(obj: Json) -> None:
        obj["spec"]["unschedulable"] = True

    world.store.mutate("nodes", None, "gpu-node-02", cordon, manager="kubectl")
    world.scale(3)
    world.live(5)
    condition = scheduled(world.pod("chat-2-prefill-0-0"))
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"] == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient nvidia.com/gpu. preemption: "
        "0/3 nodes are available: 1 Preemption is not helpful for scheduling, "
        "2 No preemption victims found for incoming pod."
    )
    (event,) = [e for e in world.events("FailedScheduling") if e["type"] == "Warning"]
    assert event["message"] == condition["message"]
    assert event["involvedObject"]["name"] == "chat-2-prefill-0-0"


def test_who_waits_longest_is_placed_as_soon_as_there_is_room(make_world: type[World]) -> None:
    world = make_world(nodes=2).grown(2, [Role("prefill", gpus=8)])
    world.scale(3)
    world.live(5)
    assert "nodeName" not in world.pod("chat-2-prefill-0-0")["spec"]
    world.store.delete("pods", "llm", "chat-0-prefill-0-0")
    world.until(lambda: world.states().get(2) == "Running", limit=90)
    condition = scheduled(world.pod("chat-2-prefill-0-0"))
    assert condition["status"] == "True"


def test_a_gang_waits_as_a_whole_and_says_why(make_world: type[World]) -> None:
    world = make_world(nodes=1).grown(1, [Role("prefill"), Role("decode", 4)])
    world.scale(2)
    world.live(5)
    assert [p for p in world.pods("chat-1") if "nodeName" in world.pod(p)["spec"]] == []
    group = podgroup(world, "chat-1")
    (condition,) = group["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Unschedulable", "True")
    assert condition["reason"] == "NotEnoughResources"
    assert (
        "tasks in gang unschedulable: pod group is not ready, 5 Pending, 5 minAvailable"
        in condition["message"]
    )
    assert "0/1 nodes are unavailable: 1 Insufficient nvidia.com/gpu." in condition["message"]
    told = {scheduled(world.pod(p))["reason"] for p in world.pods("chat-1")}
    assert "Unschedulable" in told
    world.scale_role("decode", 2)
    world.until(lambda: world.all_running(2), limit=200)
    assert podgroup(world, "chat-1")["status"]["phase"] == "Running"


def test_beyond_the_gang_minimum_members_are_placed_as_they_fit(make_world: type[World]) -> None:
    world = make_world(nodes=1).started()
    world.create(world.plan(1, [Role("prefill", 4), Role("decode", 6)], gang={"prefill": 2, "decode": 2}))
    world.live(20)
    bound = [p for p in world.pods() if "nodeName" in world.pod(p)["spec"]]
    assert len(bound) == 8
    waiting = [p for p in world.pods() if p not in bound]
    assert {scheduled(world.pod(p))["reason"] for p in waiting} == {"Unschedulable"}
    assert podgroup(world, "chat-0")["status"]["phase"] == "Running"


def test_selectors_and_taints_are_respected(make_world: type[World]) -> None:
    world = make_world(nodes=3)

    def paint(obj: Json) -> None:
        obj["metadata"]["labels"]["pool"] = "fast"

    def taint(obj: Json) -> None:
        obj["spec"]["taints"] = [{"key": "team", "value": "other", "effect": "NoSchedule"}]

    world.store.mutate("nodes", None, "gpu-node-01", paint, manager="kubectl")
    world.store.mutate("nodes", None, "gpu-node-02", paint, manager="kubectl")
    world.store.mutate("nodes", None, "gpu-node-02", taint, manager="kubectl")
    world.started().create(
        world.plan(
            3, [Role("prefill", gpus=4)], scheduler="default-scheduler", node_selector={"pool": "fast"}
        )
    )
    world.live(10)
    nodes = [world.pod(p)["spec"].get("nodeName") for p in world.pods()]
    assert sorted(filter(None, nodes)) == ["gpu-node-01", "gpu-node-01"]
    (left,) = [p for p in world.pods() if "nodeName" not in world.pod(p)["spec"]]
    message = scheduled(world.pod(left))["message"]
    assert "1 node(s) didn't match Pod's node affinity/selector" in message
    assert "1 node(s) had untolerated taint {team: other}" in message
    assert "1 Insufficient nvidia.com/gpu" in message


def test_gpus_are_counted_whoever_holds_them_until_the_pod_is_gone(make_world: type[World]) -> None:
    world = make_world(nodes=1)
    world.cluster.ground.plant_pod(notebook("llm", "notebook", 6), 60)
    world.grown(1, [Role("prefill", gpus=2)])
    node = world.cluster.nodes.get("gpu-node-00")
    assert node is not None
    assert node.free == 0
    world.store.delete("pods", "llm", "notebook")
    world.live(1)
    assert node.free == 0, "still terminating"
    world.live(20)
    assert node.free == 6
