"""DaemonSets: a pod on every node that takes it, rollouts, nodes that change; the agent's own manifest."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.daemonset import DAEMON_SETS
from clients.serving.gpus import AgentKind
from tests.support.gpu_cluster import serving, watching
from tests.support.kube import until
from tests.support.simworld import World

MANIFEST = Path(__file__).parents[4] / "deploy" / "agent" / "daemonset.yaml"
NAMESPACE, NAME = "servegrid", "servegrid-agent"


@pytest.fixture
def applied(world: World) -> World:
    """The agent's DaemonSet, all of its pods ready."""
    world.started()
    for obj in yaml.safe_load_all(MANIFEST.read_text()):
        world.store.create(
            "namespaces" if obj["kind"] == "Namespace" else DAEMON_SETS, obj, manager="kubectl"
        )
    world.until(lambda: told(world).get("numberReady") == 8)
    return world


def told(world: World) -> Json:
    obj = world.store.get(DAEMON_SETS, NAMESPACE, NAME)
    assert obj is not None
    return obj.get("status") or {}


def pods(world: World) -> dict[str, Json]:
    """By node."""
    records = world.store.records("pods", NAMESPACE)
    found = [pod for r in records if (pod := world.store.get("pods", NAMESPACE, r.name)) is not None]
    assert len({pod["spec"]["nodeName"] for pod in found}) == len(found), "never two on one node"
    return {pod["spec"]["nodeName"]: pod for pod in found}


def change_node(world: World, name: str, **spec: object) -> None:
    world.store.mutate("nodes", None, name, lambda node: node["spec"].update(spec), manager="kubectl")


def test_each_node_has_a_pod_and_the_status_counts_them(applied: World) -> None:
    assert set(pods(applied)) == {node.name for node in applied.cluster.nodes}
    assert told(applied) == {
        "observedGeneration": 1,
        **dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "numberReady"), 8),
        **dict.fromkeys(("updatedNumberScheduled", "numberAvailable"), 8),
        "numberMisscheduled": 0,
    }


async def test_the_agents_are_read_where_nothing_else_tells_of_gpus(applied: World) -> None:
    async with serving(applied.cluster) as url, watching(url) as watch:
        watch.look()
        await until(lambda: len(watch.readings().agents) == 8)
        await until(lambda: len(watch.readings().samples) == 64)
        readings = watch.readings()
    assert {agent.kind for agent in readings.agents} == {AgentKind.AGENT}
    assert readings.detail is None
    assert all(sample.utilisation is not None for sample in readings.samples)


def test_a_pod_that_is_gone_is_made_again(applied: World) -> None:
    before = pods(applied)["gpu-node-03"]
    applied.store.delete("pods", NAMESPACE, before["metadata"]["name"])
    applied.until(
        lambda: (pods(applied).get("gpu-node-03") or before)["metadata"]["uid"] != before["metadata"]["uid"]
    )
    applied.until(lambda: told(applied)["numberReady"] == 8)


def test_pods_stay_on_a_cordoned_or_tainted_node_and_leave_one_that_evicts(applied: World) -> None:
    taint = {"key": "maintenance", "effect": "NoSchedule"}
    change_node(applied, "gpu-node-01", unschedulable=True)
    change_node(applied, "gpu-node-02", taints=[taint])
    applied.live(30)
    assert len(pods(applied)) == 8
    # A cordon it stands; a taint that it does not tolerate keeps a new pod away.
    for node in ("gpu-node-01", "gpu-node-02"):
        applied.store.delete("pods", NAMESPACE, pods(applied)[node]["metadata"]["name"])
    applied.until(lambda: told(applied)["desiredNumberScheduled"] == 7 and told(applied)["numberReady"] == 7)
    assert set(pods(applied)) == {f"gpu-node-{at:02}" for at in range(8)} - {"gpu-node-02"}
    change_node(applied, "gpu-node-03", taints=[{**taint, "effect": "NoExecute"}])
    applied.until(lambda: "gpu-node-03" not in pods(applied))
    change_node(applied, "gpu-node-03", taints=[])
    applied.until(lambda: told(applied)["numberReady"] == 7 and "gpu-node-03" in pods(applied))


def test_a_lost_node_keeps_its_pod_while_it_is_tolerated(applied: World) -> None:
    applied.cluster.nodes.lose("gpu-node-05")
    applied.live(20)
    assert "gpu-node-05" in pods(applied)


def test_a_new_template_is_rolled_out_one_by_one(applied: World) -> None:
    available: list[int] = []

    def heard(_change: str, obj: Json) -> None:
        available.append(obj["status"].get("numberAvailable", 0))

    def renew(obj: Json) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["args"] = ["--listen", "0.0.0.0", "--interval", "2"]

    applied.store.subscribe(DAEMON_SETS, heard)
    applied.store.mutate(DAEMON_SETS, NAMESPACE, NAME, renew, manager="kubectl")
    applied.until(lambda: told(applied)["observedGeneration"] == 2)
    applied.until(
        lambda: told(applied).get("updatedNumberScheduled") == 8 == told(applied).get("numberReady")
    )
    assert min(available) == 7
    assert all("2" in pod["spec"]["containers"][0]["args"] for pod in pods(applied).values())


def test_they_go_with_their_owner(applied: World) -> None:
    applied.store.delete(DAEMON_SETS, NAMESPACE, NAME)
    applied.until(lambda: not pods(applied))
