"""What autoscalers and metrics know of pods: small facts by namespace, kept up with the store.

A decoded pod is large and finding pods by decoding them all is slow; the facts of 20,000 pods are neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.selectors import Requirement
from clients.embedded.models import names_of
from clients.embedded.quantity import gpus_of, parse_quantity
from clients.embedded.store import Store

__all__ = ["ContainerFacts", "PodBook", "PodFacts"]


class ContainerFacts:
    """A container of a pod: what it asks for, in thousandths of a core or byte; None where it does not."""

    __slots__ = ("cpu", "cpu_limit", "memory", "name")

    def __init__(self, name: str, cpu: int | None, memory: int | None, cpu_limit: int | None) -> None:
        self.name = name
        self.cpu = cpu
        self.memory = memory
        self.cpu_limit = cpu_limit

    def request(self, resource: str) -> int | None:
        """Thousandths of ``cpu`` or ``memory`` asked for."""
        return {"cpu": self.cpu, "memory": self.memory}.get(resource)


class PodFacts:
    """One pod. Times are UTC seconds, whole ones as the API keeps them."""

    __slots__ = ("containers", "deleting", "gpus", "labels", "model", "name", "namespace", "node", "phase",
                 "ready", "ready_since", "restarts", "running_since", "served", "started", "uid")  # fmt: skip

    def __init__(self, pod: Json, labels: dict[str, str]) -> None:
        meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
        self.namespace: str = meta["namespace"]
        self.name: str = meta["name"]
        self.uid: str = meta["uid"]
        self.labels = labels
        self.node: str = spec.get("nodeName") or ""
        self.deleting = "deletionTimestamp" in meta
        self.phase: str = status.get("phase") or "Pending"
        self.started = _seconds(status.get("startTime"))
        self.ready: bool | None = None
        """None without a Ready condition."""
        self.ready_since: float | None = None
        for condition in status.get("conditions") or ():
            if condition.get("type") == "Ready":
                self.ready = condition.get("status") == "True"
                self.ready_since = _seconds(condition.get("lastTransitionTime"))
        statuses = status.get("containerStatuses") or ()
        running = [((s.get("state") or {}).get("running") or {}).get("startedAt") for s in statuses]
        self.running_since = _seconds(next((at for at in running if at), None))
        """When its first running container started; None while none runs."""
        self.restarts = sum(int(s.get("restartCount") or 0) for s in statuses)
        self.containers = tuple(_container(c) for c in spec.get("containers") or ())
        self.gpus = gpus_of(spec)
        self.model, self.served = names_of(spec)
        """Its name for requests; empty for pods that serve no model."""


class PodBook:
    """All pods. Listeners hear (fact before or None, fact now or None) of every change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pods: dict[str, dict[str, PodFacts]] = {}
        self.listeners: list[Callable[[PodFacts | None, PodFacts | None], None]] = []
        for pod in store.list("pods"):
            self._changed("ADDED", pod)
        store.subscribe("pods", self._changed)

    def get(self, namespace: str, name: str) -> PodFacts | None:
        """One pod."""
        return self._pods.get(namespace, {}).get(name)

    def of(self, namespace: str) -> Iterable[PodFacts]:
        """The pods of a namespace."""
        return self._pods.get(namespace, {}).values()

    def everywhere(self) -> Iterable[PodFacts]:
        """All pods."""
        return (pod for pods in self._pods.values() for pod in pods.values())

    def select(self, namespace: str, wanted: Sequence[Requirement]) -> list[PodFacts]:
        """The pods of a namespace that a label selector picks, by name."""
        pods = self.of(namespace)
        for term in wanted:
            if term.operator == "in" and len(term.values) == 1:
                # Most selectors begin with a name: what it leaves is little to look through.
                key, (value,) = term.key, term.values
                pods = [pod for pod in pods if pod.labels.get(key) == value]
        found = [pod for pod in pods if all(term.matches(pod.labels) for term in wanted)]
        return sorted(found, key=lambda pod: pod.name)

    def _changed(self, change: str, pod: Json) -> None:
        meta = pod["metadata"]
        pods = self._pods.setdefault(meta["namespace"], {})
        before = pods.get(meta["name"])
        if change == "DELETED":
            pods.pop(meta["name"], None)
            now = None
        else:
            record = self._store.record("pods", meta["namespace"], meta["name"])
            labels = record.labels if record is not None else meta.get("labels") or {}
            now = pods[meta["name"]] = PodFacts(pod, labels)
        for listener in self.listeners:
            listener(before, now)


def _seconds(text: Any) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _container(spec: Json) -> ContainerFacts:
    resources = spec.get("resources") or {}
    limits = resources.get("limits") or {}
    requests = {**limits, **(resources.get("requests") or {})}
    return _shared(str(spec.get("name", "")), requests.get("cpu"), requests.get("memory"), limits.get("cpu"))


@lru_cache(maxsize=4096)
def _shared(name: str, cpu: Any, memory: Any, cpu_limit: Any) -> ContainerFacts:
    """Equal containers are one: a cluster has thousands of pods and few kinds of them."""
    return ContainerFacts(name, _milli(cpu), _milli(memory), _milli(cpu_limit))


def _milli(quantity: Any) -> int | None:
    return None if quantity is None else int(parse_quantity(quantity) * 1000)
