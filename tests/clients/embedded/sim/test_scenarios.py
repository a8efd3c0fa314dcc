"""What each scenario promises, that it repeats, and that it stays small for as long as it runs."""

from __future__ import annotations

import resource
import time
import zlib
from typing import Any

import pytest

from clients.embedded.apiserver.history import Change
from clients.embedded.apiserver.proxy import PageRequest
from clients.embedded.cluster import Cluster
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.gpupages import GpuPages
from clients.embedded.scenarios.catalogue import SCENARIOS, make_cluster
from clients.embedded.scenarios.changes import SEQUENCE
from clients.embedded.scenarios.scenario import Size

START = 1_700_000_000.0


def made(name: str, **more: object) -> Cluster:
    return make_cluster(name, start=START, speed=0, **more)  # type: ignore[arg-type]


def story(name: str, seconds: float, seed: int) -> tuple[int, list[tuple[float, str, str, str]]]:
    """Every change that is heard of, and a checksum of their contents."""
    cluster = made(name, seed=seed)
    told: list[tuple[float, str, str, str]] = []
    total = 0

    def heard(change: Change) -> None:
        nonlocal total
        record = change.record
        total = zlib.crc32(record.status or b"", zlib.crc32(record.spec or b"", total))
        at = round(cluster.clock.now() - START, 6)
        told.append((at, change.type, change.resource, f"{record.namespace}/{record.name}"))

    cluster.store.watch(heard)
    cluster.run_for(seconds)
    return total, told


@pytest.mark.parametrize("name", ["default", "busy", "trouble"])
def test_the_same_seed_tells_the_same_story_at_the_same_times(name: str) -> None:
    first, second, other = (story(name, 400, seed) for seed in (7, 7, 8))
    assert len(first[1]) > 50
    assert first == second
    assert first[1] != other[1]


def states(cluster: Cluster) -> dict[str, set[str]]:
    return {key: {g["status"] for g in groups.values()} for key, groups in cluster.dump().items()}


UNTOUCHED = (
    ("default", "deepseek-r1"),
    ("default", "llama-guide"),
    ("default", "qwen-coder"),
    ("llm-prod", "deepseek-v3"),
    ("llm-prod", "glm-4"),
    ("llm-prod", "kimi-k2"),
    ("llm-prod", "llama-70b"),
)


def test_default_starts_grown_up_with_room_and_leaves_most_to_the_user() -> None:
    cluster = made("default")
    servings = cluster.store.list(RESOURCE)
    assert 11 <= len(servings) <= 13
    assert len({s["metadata"]["namespace"] for s in servings}) == 3
    assert (servings[0]["metadata"]["namespace"], servings[0]["metadata"]["name"]) == UNTOUCHED[0]
    assert all(found == {"Running"} for found in states(cluster).values())
    assert len(list(cluster.nodes)) == 16
    assert sum(node.free for node in cluster.nodes) >= 24
    for serving in servings:
        status = serving["status"]
        assert status["availableReplicas"] == status["replicas"] == serving["spec"]["replicas"]
        assert status["observedGeneration"] == serving["metadata"]["generation"]
    sizes = {tuple(r["replicas"] for r in s["spec"]["template"]["roles"]) for s in servings}
    assert {(1, 1), (4, 8)} <= sizes
    touched: set[tuple[str, str]] = set()
    free: list[int] = []

    def heard(change: Change) -> None:
        labels, record = change.record.labels, change.record
        name = record.name if change.resource == RESOURCE else labels.get("modelserving.volcano.sh/name")
        if name:
            touched.add((record.namespace, name))

    cluster.store.watch(heard)
    for _ in range(60):
        cluster.run_for(60)
        free.append(sum(node.free for node in cluster.nodes))
    assert not touched & set(UNTOUCHED)
    assert {("default", "qwen-chat"), ("research", "phi-mini"), ("research", "qwen-vl")} <= touched
    assert min(free) >= 24


def test_a_new_group_takes_long_enough_to_be_watched_and_not_longer() -> None:
    cluster = made("default")

    def scale(groups: int) -> float:
        def change(obj: dict[str, object]) -> None:
            spec = obj["spec"]
            assert isinstance(spec, dict)
            spec["replicas"] = groups

        cluster.store.mutate(RESOURCE, "default", "deepseek-r1", change, manager="kubectl")
        began = cluster.clock.now()
        while len(cluster.dump()["default/deepseek-r1"]) != groups or states(cluster)[
            "default/deepseek-r1"
        ] != {"Running"}:
            cluster.run_for(0.5)
            assert cluster.clock.now() < began + 200
        return cluster.clock.now() - began

    assert 25 <= scale(3) <= 75
    assert 4 <= scale(2) <= 12


def waiting(cluster: Cluster) -> set[str]:
    found = set()
    for pod in cluster.store.list("pods"):
        if "deletionTimestamp" in pod["metadata"]:
            found.add(pod["status"].get("reason", "terminating"))
        for told in pod["status"].get("containerStatuses") or ():
            found.add((told["state"].get("waiting") or {}).get("reason", ""))
            found.add(((told["lastState"] or {}).get("terminated") or {}).get("reason", ""))
        for condition in pod["status"].get("conditions") or ():
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                found.add(condition["reason"])
    return found


def statuses(cluster: Cluster, resource: str) -> dict[str, dict[str, Any]]:
    return {obj["metadata"]["name"]: obj.get("status") or {} for obj in cluster.store.list(resource)}


def test_default_runs_other_systems_beside_that_are_up_from_the_start() -> None:
    cluster = made("default")
    services = statuses(cluster, "inferenceservices.serving.kserve.io")
    assert {name: s["modelStatus"]["transitionStatus"] for name, s in services.items()} == {
        "iris": "UpToDate",
        "qwen": "UpToDate",
    }
    groups = statuses(cluster, "leaderworkersets.leaderworkerset.x-k8s.io")
    assert groups["ds-r1"]["readyReplicas"] == groups["ds-r1"]["updatedReplicas"] == 3
    assert statuses(cluster, "statefulsets.apps")["bge-m3"]["readyReplicas"] == 2
    deployments = statuses(cluster, "deployments.apps")
    assert {"iris-predictor", "qwen-predictor", "vllm-llama", "coredns", "open-webui"} <= deployments.keys()
    for name, status in deployments.items():
        assert status["availableReplicas"] == status["replicas"], name
        assert status["conditions"][-1]["reason"] == "NewReplicaSetAvailable", name
    autoscalers = statuses(cluster, "horizontalpodautoscalers.autoscaling")
    assert {"iris-predictor", "qwen-hpa"} <= autoscalers.keys()
    assert cluster.store.records("events") == []
    sizes: dict[str, set[int]] = {}
    for _ in range(50):
        cluster.run_for(60)
        for obj in cluster.store.list("deployments.apps"):
            sizes.setdefault(obj["metadata"]["name"], set()).add(obj["spec"]["replicas"])
    assert max(sizes["iris-predictor"]) - min(sizes["iris-predictor"]) >= 4
    assert sizes["qwen-predictor"] == {1, 2}
    assert {name for name, seen in sizes.items() if len(seen) > 1} == {"iris-predictor", "qwen-predictor"}


def test_trouble_breaks_one_of_each_system() -> None:
    cluster = made("trouble")
    service = statuses(cluster, "inferenceservices.serving.kserve.io")["kserve-oom"]
    assert service["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad"
    groups = statuses(cluster, "leaderworkersets.leaderworkerset.x-k8s.io")["lws-crash"]
    assert groups["readyReplicas"] == 1
    assert statuses(cluster, "statefulsets.apps")["sts-blocked"]["readyReplicas"] == 1
    assert cluster.store.record("pods", "llm-prod", "sts-blocked-2") is None
    stuck = statuses(cluster, "deployments.apps")["rollout-stuck"]["conditions"]
    assert {c["reason"] for c in stuck} >= {"ProgressDeadlineExceeded"}


def test_trouble_has_every_trouble_from_the_first_moment() -> None:
    cluster = made("trouble")
    found = waiting(cluster)
    assert {"CrashLoopBackOff", "ImagePullBackOff", "terminating", "Unschedulable", "OOMKilled"} <= found
    assert [node.name for node in cluster.nodes if not node.alive]
    assert sum(node.free for node in cluster.nodes if node.alive) == 0
    blocked = [
        group["metadata"]["name"]
        for group in cluster.store.list("podgroups.scheduling.volcano.sh")
        if any(c["type"] == "Unschedulable" for c in group["status"].get("conditions") or ())
        and group["status"]["phase"] != "Running"
    ]
    assert blocked == ["gang-blocked-2"]
    assert states(cluster)["default/healthy-chat"] == {"Running"}
    assert states(cluster)["default/healthy-code"] == {"Running"}
    cluster.run_for(600)
    assert "NodeLost" in waiting(cluster)


def pods_of_workloads(cluster: Cluster) -> int:
    """All but those that stand on every node to tell of its GPUs: these are the cluster's own."""
    return len(cluster.store.records("pods")) - len(cluster.store.records("pods", "gpu-operator"))


def test_empty_has_nodes_and_no_workload() -> None:
    cluster = made("empty")
    cluster.run_for(60)
    assert cluster.store.list(RESOURCE) == []
    assert pods_of_workloads(cluster) == 0
    assert len(list(cluster.nodes)) == 16
    assert sum(node.free for node in cluster.nodes) == 128


SIZES = {
    "synthetic": Size(workloads=3, groups=2, pods=30, nodes=5),
    "mixed-large": Size(pods=100, nodes=10),
}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_every_node_with_gpus_has_a_page_that_tells_of_them(name: str) -> None:
    cluster = made(name, size=SIZES.get(name))
    pages = GpuPages(cluster.gpus, cluster.nodes, cluster.clock)
    told: dict[str, bytes] = {}
    for pod in cluster.store.list("pods", "gpu-operator"):
        handler = pages.handler(pod, 9400)
        if handler is not None:
            answer = await handler(PageRequest("GET", "/metrics", "", {}, b""))
            told[pod["spec"]["nodeName"]] = answer.body if answer.status == 200 else b""
    alive = {node.name for node in cluster.nodes if node.gpus and node.alive}
    assert told.keys() == alive
    silent = {"gpu-node-10"} if name == "trouble" else set()
    assert {node for node, page in told.items() if b"DCGM_FI_DEV_GPU_UTIL{" not in page} == silent


def test_large_is_large_and_quickly_there() -> None:
    began = time.process_time()
    cluster = made("large")
    assert time.process_time() - began < 15
    assert len(cluster.store.records(RESOURCE)) == 500
    assert len(cluster.store.records("pods")) == 20_000 + 500
    assert len(list(cluster.nodes)) == 500
    assert sum(node.gpus for node in cluster.nodes) == 4000
    assert all(found == {"Running"} for found in states(cluster).values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert peak < 600, "megabytes, tests and all"


def test_mixed_large_has_all_sorts_and_moves_a_little() -> None:
    began = time.process_time()
    cluster = made("mixed-large")
    assert time.process_time() - began < 30
    counts = {
        RESOURCE: 1000,
        "deployments.apps": 2000,
        "horizontalpodautoscalers.autoscaling": 500,
    }
    assert pods_of_workloads(cluster) == 20_000
    assert {key: len(cluster.store.records(key)) for key in counts} == counts
    began = time.process_time()
    cluster.run_for(300)
    assert time.process_time() - began < 60
    sizes = [obj["spec"]["replicas"] for obj in cluster.store.list("deployments.apps")]
    assert len([size for size in sizes if size != 5]) in range(5, 60)
    assert pods_of_workloads(cluster) in range(19_900, 20_200)


@pytest.mark.parametrize(("workloads", "groups", "pods"), [(7, 3, 100), (20, 5, 60), (3, 2, 5)])
def test_synthetic_has_exactly_the_pods_it_was_asked_for_beside_those_of_its_nodes(
    workloads: int, groups: int, pods: int
) -> None:
    cluster = made("synthetic", size=Size(workloads=workloads, groups=groups, pods=pods, nodes=4))
    assert pods_of_workloads(cluster) == pods
    assert len(cluster.store.records("pods")) == pods + 4
    if pods >= workloads * groups:
        assert {len(found) for found in cluster.dump().values()} == {groups}
        assert len(cluster.dump()) == workloads


def test_mixed_large_is_smaller_in_the_same_proportions_when_told() -> None:
    cluster = made("mixed-large", size=Size(pods=400, nodes=10))
    counts = {
        RESOURCE: 20,
        "deployments.apps": 40,
        "horizontalpodautoscalers.autoscaling": 10,
        "nodes": 10,
    }
    assert pods_of_workloads(cluster) == 400
    assert {key: len(cluster.store.records(key)) for key in counts} == counts


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("synthetic", Size(workloads=10, groups=2, pods=100, nodes=4, event_rate=250)),
        ("mixed-large", Size(pods=100, nodes=10, event_rate=250)),
    ],
)
def test_changes_of_pods_are_steady_and_numbered_without_a_gap(name: str, size: Size) -> None:
    cluster = made(name, size=size)
    seen: list[int] = []
    flips = 0

    def heard(change: str, pod: dict[str, object]) -> None:
        nonlocal flips
        meta, status = pod["metadata"], pod["status"]
        assert isinstance(meta, dict)
        assert isinstance(status, dict)
        assert change == "MODIFIED"
        assert meta["namespace"] != "gpu-operator"
        seen.append(int(meta["annotations"][SEQUENCE]))
        assert status["message"] == f"sequence {seen[-1]}"

    cluster.store.subscribe("pods", heard)
    cluster.run_for(4)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == pytest.approx(1000, abs=10)
    ready = [
        c["status"]
        for pod in cluster.store.list("pods")
        for c in pod["status"]["conditions"]
        if c["type"] == "Ready"
    ]
    assert "False" in ready


def weight(cluster: Cluster) -> dict[str, int]:
    """What could grow."""
    counts = {r.key: len(cluster.store.records(r.key)) for r in cluster.store.registry if r.view_of is None}
    counts["engine"] = len(cluster.engine)
    counts["kubelets"] = len(cluster.kubelets)
    return counts


@pytest.mark.parametrize(
    ("name", "warm", "then"), [("default", 2 * 3600, 10 * 3600), ("trouble", 7200, 18000)]
)
def test_nothing_grows_however_long_it_runs(name: str, warm: float, then: float) -> None:
    cluster = made(name)
    cluster.run_for(warm)
    before = weight(cluster)
    most: dict[str, int] = {}
    for _ in range(int(then // 1800)):
        cluster.run_for(1800)
        for kind, count in weight(cluster).items():
            most[kind] = max(most.get(kind, 0), count)
    for kind, count in most.items():
        assert count <= before[kind] * 1.5 + 30, kind


def test_every_scenario_has_a_name() -> None:
    assert list(SCENARIOS) == ["default", "busy", "trouble", "empty", "large", "mixed-large", "synthetic"]
