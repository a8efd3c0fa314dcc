"""Clusters in memory about which ``derive`` decodes and derives events: ModelServings alone, and a mix.

The bodies are of a real cluster's size, managed fields and all. Each field says how an event is decoded by
msgspec alone, which is the reference, and what the data thread does with it.
"""

from __future__ import annotations

import random
from typing import Any, Protocol

import msgspec

from clients.kube import controller_decode, decode, hpa, kthena, workloads
from clients.kube.decode_shapes import OwnerReference, PodMeta, PodShape
from clients.kube.wire import Event, changed_object
from clients.kube.world import World
from clients.serving.workload import Workload
from tests.support import kthena_objects as objects

__all__ = ["Field", "Mixed", "Servings"]

ROLES = (("prefill", 2, 0), ("decode", 4, 1))
"""(name, replicas, workers): 10 pods a group."""

_Json = dict[str, Any]


class _Meta(PodMeta, rename="camel", gc=False):
    owner_references: list[OwnerReference] | None = None  # type: ignore[assignment]


class _Pod(PodShape):
    metadata: _Meta | None = None


_line = msgspec.json.Decoder(Event).decode
_typed_pod = msgspec.json.Decoder(_Pod).decode
_any = msgspec.json.Decoder().decode


class Field(Protocol):
    """Objects, all running, and streams of events about them."""

    now: float

    def events(self, count: int, *, visible: int) -> list[bytes]:
        """Events about random objects; one in ``visible`` changes what is shown, the rest nothing."""
        ...

    def decode(self, event: bytes) -> None:
        """What msgspec alone takes: the line, then its object."""
        ...

    def tick(self, events: list[bytes]) -> None:
        """Takes in events, then derives each touched workload once."""
        ...


def _modified(body: _Json, version: int) -> bytes:
    body["metadata"]["resourceVersion"] = str(version)
    return b'{"type":"MODIFIED","object":' + objects.raw(body) + b"}\n"


class Servings:
    """500 ModelServings of 4 groups of 10 pods, as ``large`` has them."""

    def __init__(self) -> None:
        self.indexes: dict[tuple[str, str], kthena.ServingIndex] = {}
        self.values: dict[tuple[str, str], Workload] = {}
        self.now = objects.EPOCH + 3600
        self._random = random.Random(1)
        self._version = 1_000_000
        self._unready: set[tuple[str, int, str, int, int]] = set()
        roles = [objects.role(name, replicas, workers, gpus=1) for name, replicas, workers in ROLES]
        self.pods: list[tuple[str, int, str, int, int]] = []
        for number in range(500):
            name = f"serving-{number}"
            body = objects.model_serving(name, uid=f"ms-{name}", replicas=4, roles=roles)
            row = decode.model_serving(objects.raw(body))
            index = self.indexes[row.namespace, name] = kthena.ServingIndex("bench", row)
            for group in range(4):
                for role, replicas, workers in ROLES:
                    for ordinal in range(replicas):
                        for place in range(1 + workers):
                            slot = (name, group, role, ordinal, place)
                            self.pods.append(slot)
                            index.put_pod(decode.pod(objects.raw(self._pod(slot, "ready"))))
            self.values[row.namespace, name] = index.derive(None, self.now)

    def _pod(self, slot: tuple[str, int, str, int, int], state: str) -> _Json:
        name, group = slot[:2]
        self._version += 1
        node = f"gpu-node-{(int(name[8:]) + group) % 500}"
        owner = f"ms-{name}"
        body = objects.pod(*slot[1:], serving=name, owner_uid=owner, state=state, gpus=1, node_name=node)
        body["status"]["message"] = f"sequence {self._version}"
        return body

    def events(self, count: int, *, visible: int) -> list[bytes]:
        """Events about pods; one in ``visible`` turns readiness over."""
        found = []
        for number in range(count):
            slot = self._random.choice(self.pods)
            if number % visible == 0:
                self._unready ^= {slot}
            body = self._pod(slot, "lost" if slot in self._unready else "ready")
            found.append(_modified(body, self._version))
        return found

    def decode(self, event: bytes) -> None:
        """The line, then the pod to typed fields."""
        _typed_pod(_line(event).object)

    def tick(self, events: list[bytes]) -> None:
        """Each event, then each touched ModelServing."""
        dirty: set[tuple[str, str]] = set()
        for line in events:
            raw = changed_object(line)
            assert raw is not None
            row = decode.pod(raw)
            home = kthena.serving_of(row)
            if home is None:
                continue
            self.indexes[home].put_pod(row)
            dirty.add(home)
        for home in dirty:
            self.values[home] = self.indexes[home].derive(self.values[home], self.now)


class Mixed:
    """1,000 ModelServings, 2,000 Deployments and 500 HPAs with 20,000 pods, as ``mixed-large`` has them.

    Its events are about the Deployments' pods, and now and then about an HPA, whose status says another
    reading: all 500 of them say one in 15 s, beside 2,000 pod events a second.
    """

    def __init__(self, *, hpas: int = 60) -> None:
        """One event in ``hpas`` is about an HPA."""
        self.now = objects.EPOCH + 3600
        self._hpas = hpas
        self._random = random.Random(1)
        self._version = 1_000_000
        self._unready: set[tuple[int, int]] = set()
        self._world = World("bench", order=lambda *_: None, shown=_serves)
        self._world.keepers_seen = True
        roles = [objects.role("prefill", 1, 0, gpus=1), objects.role("decode", 2, 1, gpus=0)]
        for number in range(1000):
            name = f"model-{number}"
            body = objects.model_serving(name, uid=f"ms-{name}", replicas=2, roles=roles)
            self._world.put_model_serving(decode.model_serving(objects.raw(body)))
            for group in range(2):
                for role, ordinal, place in _FIVE:
                    pod = objects.pod(group, role, ordinal, place, serving=name, owner_uid=f"ms-{name}")
                    self._world.put_pod(decode.pod(objects.raw(pod)))
        for number in range(2000):
            self._world.put_keeper(controller_decode.deployment(objects.raw(_deployment(number))))
            self._world.put_keeper(controller_decode.replica_set(objects.raw(_replica_set(number))))
            for place in range(5):
                self._world.put_pod(decode.pod(objects.raw(self._pod(number, place, "ready"))))
        for number in range(0, 2000, 4):
            self._put_hpa(msgspec.Raw(objects.raw(_hpa(number, 60))))
        self._world.derive(self.now)

    def _pod(self, number: int, place: int, state: str) -> _Json:
        self._version += 1
        name = f"engine-{number}"
        body = objects.pod(0, "", place, serving=name, state=state, gpus=1, node_name=f"node-{number % 1000}")
        meta = body["metadata"]
        meta["name"] = f"{name}-7c5ddbdf54-{place:05d}"
        meta["labels"] = {"app": name, "pod-template-hash": "7c5ddbdf54"}
        meta["annotations"] = {}
        meta["ownerReferences"] = [_owner("ReplicaSet", f"{name}-7c5ddbdf54", f"rs-{name}")]
        body["status"]["message"] = f"sequence {self._version}"
        return body

    def events(self, count: int, *, visible: int) -> list[bytes]:
        """Events about pods, of which one in ``visible`` turns readiness over, and about HPAs."""
        found = []
        for number in range(count):
            if (number + 1) % self._hpas == 0:
                self._version += 1
                body = _hpa(4 * self._random.randrange(500), self._random.randint(10, 100))
                found.append(_modified(body, self._version))
                continue
            slot = (self._random.randrange(2000), self._random.randrange(5))
            if number % visible == 0:
                self._unready ^= {slot}
            body = self._pod(*slot, "lost" if slot in self._unready else "ready")
            found.append(_modified(body, self._version))
        return found

    def decode(self, event: bytes) -> None:
        """The line, then a pod to typed fields; an HPA, whose fields may be anything, to what they are."""
        raw = _line(event).object
        (_any if _is_hpa(event) else _typed_pod)(raw)

    def tick(self, events: list[bytes]) -> None:
        """Each event, then each touched workload."""
        for line in events:
            raw = changed_object(line)
            assert raw is not None
            if _is_hpa(line):
                self._put_hpa(raw)
            else:
                self._world.put_pod(decode.pod(raw))
        self._world.derive(self.now)

    def _put_hpa(self, raw: msgspec.Raw) -> None:
        row = hpa.decode(raw)
        self._world.put_scaler(row, hpa.drivers(row), hpa.links(row))


_FIVE = (("prefill", 0, 0), ("decode", 0, 0), ("decode", 0, 1), ("decode", 1, 0), ("decode", 1, 1))
"""(role, ordinal, index) of the pods of one group."""
_NAMESPACE = "llm-prod"
_HPA_BEGINS = b'{"type":"MODIFIED","object":{"apiVersion":"autoscaling/v2"'


def _is_hpa(event: bytes) -> bool:
    return event.startswith(_HPA_BEGINS)


def _serves(row: Any) -> bool:
    return workloads.shows(row, everything=False)


def _owner(kind: str, name: str, uid: str) -> _Json:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}


def _controller(kind: str, name: str, uid: str, **meta: Any) -> _Json:
    container = {"name": "engine", "image": "vllm/vllm-openai:v0.11.0"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": _NAMESPACE,
            "uid": uid,
            "generation": 1,
            "creationTimestamp": objects.rfc3339(objects.EPOCH),
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            **meta,
        },
        "spec": {"replicas": 5, "template": {"spec": {"containers": [container]}}},
        "status": {"observedGeneration": 1, "replicas": 5, "readyReplicas": 5, "updatedReplicas": 5},
    }


def _deployment(number: int) -> _Json:
    return _controller("Deployment", f"engine-{number}", f"dep-engine-{number}")


def _replica_set(number: int) -> _Json:
    name = f"engine-{number}"
    owners = [_owner("Deployment", name, f"dep-{name}")]
    return _controller("ReplicaSet", f"{name}-7c5ddbdf54", f"rs-{name}", ownerReferences=owners)


def _hpa(number: int, reading: int) -> _Json:
    """One whose controller last read this many per cent of the requested cpu."""
    name = f"engine-{number}"

    def condition(kind: str, status: str, reason: str, message: str) -> _Json:
        at = objects.rfc3339(objects.EPOCH)
        told = {"type": kind, "status": status, "reason": reason, "message": message}
        return {**told, "lastTransitionTime": at}

    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}
    now = {"name": "cpu", "current": {"averageUtilization": reading, "averageValue": f"{20 * reading}m"}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": name,
            "namespace": _NAMESPACE,
            "uid": f"hpa-{name}",
            "creationTimestamp": objects.rfc3339(objects.EPOCH),
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
        "status": {
            "currentReplicas": 5,
            "desiredReplicas": 5,
            "currentMetrics": [{"type": "Resource", "resource": now}],
            "conditions": [
                condition("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"),
                condition(
                    "ScalingActive",
                    "True",
                    "ValidMetricFound",
                    "the HPA was able to successfully calculate a replica count from cpu resource "
                    "utilization (percentage of request)",
                ),
                condition(
                    "ScalingLimited",
                    "False",
                    "DesiredWithinRange",
                    "the desired count is within the acceptable range",
                ),
            ],
        },
    }
