"""GPU nodes: their objects, what is taken on each, and how one is lost and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from clients.embedded.apiserver.objects import Json, timestamp
from clients.embedded.controllers.recorder import Recorder
from clients.embedded.engine import Engine
from clients.embedded.quantity import GPU, gpus_of, parse_quantity
from clients.embedded.store import Store

__all__ = ["Node", "Nodes", "node_object"]

_HEARTBEAT = 300.0
"""Seconds between a kubelet's writes of an unchanged node status."""
_POD_LIMIT = 110


def node_object(name: str, index: int, gpus: int = 8, *, product: str = "NVIDIA-H100-80GB-HBM3") -> Json:
    """A node as a cloud's GPU pool has them."""
    zone = "abc"[index % 3]
    amounts = {
        "cpu": "192",
        "memory": "2113523000Ki",
        "ephemeral-storage": "3840000Mi",
        "hugepages-2Mi": "0",
        "pods": str(_POD_LIMIT),
        GPU: str(gpus),
    }
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": f"gpu.{gpus}x",
                "topology.kubernetes.io/region": "sim-1",
                "topology.kubernetes.io/zone": f"sim-1{zone}",
                "nvidia.com/gpu.present": "true",
                "nvidia.com/gpu.product": product,
                "nvidia.com/gpu.count": str(gpus),
                "nvidia.com/gpu.memory": "81559",
            },
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {
            "podCIDR": f"10.{42 + index // 250}.{index % 250}.0/24",
            "podCIDRs": [f"10.{42 + index // 250}.{index % 250}.0/24"],
            "providerID": f"sim:///{zone}/{name}",
        },
        "status": {
            "capacity": amounts,
            "allocatable": dict(amounts, cpu="191", memory="2100000000Ki"),
            "conditions": [],
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.{index // 250}.{index % 250 + 4}"},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": f"{index:032x}",
                "systemUUID": f"{index:08x}-0000-4000-8000-000000000000",
                "bootID": f"{index:08x}-0000-4000-9000-000000000000",
                "kernelVersion": "6.8.0-1021",
                "osImage": "Ubuntu 24.04.2 LTS",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kubeletVersion": "v1.34.1",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def _conditions(ready: bool, since: float, beat: float) -> list[Json]:
    def condition(kind: str, status: str, reason: str, message: str) -> Json:
        return {
            "type": kind,
            "status": status,
            "lastHeartbeatTime": timestamp(beat),
            "lastTransitionTime": timestamp(since),
            "reason": reason,
            "message": message,
        }

    if not ready:
        unknown = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        return [condition(k, *unknown) for k in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")]
    return [
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]


class Node:
    """What the scheduler and the kubelets know of one node."""

    __slots__ = ("address", "alive", "gpus", "images", "index", "labels", "name", "pods", "pods_limit",
                 "taints", "unschedulable", "used")  # fmt: skip

    def __init__(self, name: str, index: int) -> None:
        self.name = name
        self.index = index
        self.address = ""
        self.gpus = 0
        self.pods_limit = _POD_LIMIT
        self.used = 0
        self.pods = 0
        self.alive = True
        self.unschedulable = False
        self.labels: dict[str, str] = {}
        self.taints: list[tuple[str, str, str]] = []
        """(key, value, effect)"""
        self.images: set[str] = set()
        """Images that are already there."""

    @property
    def free(self) -> int:
        """GPUs that nothing holds."""
        return self.gpus - self.used

    def read(self, obj: Mapping[str, Any]) -> None:
        """Takes in the node's object."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        allocatable = status.get("allocatable") or {}
        self.gpus = int(parse_quantity(allocatable.get(GPU, 0)))
        self.pods_limit = int(parse_quantity(allocatable.get("pods", _POD_LIMIT)))
        self.unschedulable = bool(spec.get("unschedulable"))
        self.labels = dict(obj["metadata"].get("labels") or {})
        self.taints = [
            (t.get("key", ""), t.get("value", ""), t.get("effect", "")) for t in spec.get("taints") or ()
        ]
        self.address = next(
            (a["address"] for a in status.get("addresses") or () if a.get("type") == "InternalIP"), ""
        )


class Nodes:
    """All nodes, and which pod holds how many GPUs where. A pod holds them until it is gone or has ended."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._nodes: dict[str, Node] = {}
        self._held: dict[str, tuple[str, int]] = {}
        self._recorder = Recorder(store, engine, "node-controller")
        self.freed: list[Callable[[], None]] = []
        """Told when room may have appeared."""
        for obj in store.list("nodes"):
            self._node_changed("ADDED", obj)
        for obj in store.list("pods"):
            self._pod_changed("ADDED", obj)
        store.subscribe("nodes", self._node_changed)
        store.subscribe("pods", self._pod_changed)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, name: str) -> Node | None:
        """By name."""
        return self._nodes.get(name)

    def alive(self, name: str) -> bool:
        """Whether its kubelet works."""
        node = self._nodes.get(name)
        return node is not None and node.alive

    def create(self, objects: Sequence[Json]) -> None:
        """Creates node objects, all ready."""
        now = self._engine.clock.now()
        for obj in objects:
            obj["status"]["conditions"] = _conditions(True, now, now)
            self._store.create("nodes", obj, manager="kubelet")

    def start(self) -> None:
        """Lets the kubelets of all present nodes report from now on, spread over the period."""
        names = list(self._nodes)
        for position, name in enumerate(names):
            first = _HEARTBEAT * (position + 1) / len(names)
            self._engine.every(_HEARTBEAT, partial(self._beat, name), first=first)

    def lose(self, name: str) -> None:
        """Its kubelet falls silent: Ready becomes Unknown, it is tainted, its pods are no longer ready."""
        node = self._nodes.get(name)
        if node is None or not node.alive:
            return
        node.alive = False
        now = self._engine.clock.now()

        def change(obj: Json) -> None:
            obj["status"]["conditions"] = _conditions(False, now, now - 40)
            taints = [t for t in obj["spec"].get("taints") or () if "unreachable" not in t["key"]]
            key = "node.kubernetes.io/unreachable"
            taints += [{"key": key, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
            obj["spec"]["taints"] = taints

        obj = self._store.mutate("nodes", None, name, change, manager="kube-controller-manager")
        if obj is not None:
            about = {"kind": "Node", "apiVersion": "v1", "name": name, "uid": obj["metadata"]["uid"]}
            self._recorder.event(about, "NodeNotReady", f"Node {name} status is now: NodeNotReady")

    def restore(self, name: str) -> None:
        """It is back."""
        node = self._nodes.get(name)
        if node is None or node.alive:
            return
        node.alive = True
        now = self._engine.clock.now()

        def change(obj: Json) -> None:
            obj["status"]["conditions"] = _conditions(True, now, now)
            kept = [t for t in obj["spec"].get("taints") or () if "unreachable" not in t["key"]]
            obj["spec"]["taints"] = kept
            if not kept:
                del obj["spec"]["taints"]

        self._store.mutate("nodes", None, name, change, manager="kube-controller-manager")
        self._tell_freed()

    def _beat(self, name: str) -> None:
        if not self.alive(name):
            return
        beat = timestamp(self._engine.clock.now())

        def change(obj: Json) -> None:
            for condition in obj["status"]["conditions"]:
                condition["lastHeartbeatTime"] = beat

        self._store.mutate("nodes", None, name, change, manager="kubelet", subresource="status")

    def _node_changed(self, change: str, obj: Json) -> None:
        name = obj["metadata"]["name"]
        if change == "DELETED":
            self._nodes.pop(name, None)
            return
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Node(name, len(self._nodes))
            for held_on, gpus in self._held.values():
                if held_on == name:
                    node.used += gpus
                    node.pods += 1
        before = (node.gpus, node.unschedulable, tuple(node.taints), tuple(node.labels.items()))
        node.read(obj)
        if before != (node.gpus, node.unschedulable, tuple(node.taints), tuple(node.labels.items())):
            self._tell_freed()

    def _pod_changed(self, change: str, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        where = (pod.get("spec") or {}).get("nodeName")
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if change == "DELETED" or ended:
            held = self._held.pop(uid, None)
            if held is not None:
                self._count(held[0], -held[1], -1)
                self._tell_freed()
        elif where and uid not in self._held:
            gpus = gpus_of(pod["spec"])
            self._held[uid] = (where, gpus)
            self._count(where, gpus, 1)

    def _count(self, name: str, gpus: int, pods: int) -> None:
        node = self._nodes.get(name)
        if node is not None:
            node.used += gpus
            node.pods += pods

    def _tell_freed(self) -> None:
        for listener in self.freed:
            listener()
