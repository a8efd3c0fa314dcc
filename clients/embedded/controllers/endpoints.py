"""EndpointSlices: which pods are behind a service, and which of them are in rotation.

Headless services of role replicas get none here: their only readers are the workers of a group.
"""

from __future__ import annotations

import zlib
from typing import Any

from clients.embedded.apiserver.objects import Json
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["Endpoints"]

_SLICES = "endpointslices.discovery.k8s.io"
_SETTLE = 0.3
_MANAGER = "endpointslice-controller"
_PER_SLICE = 100

_Key = tuple[str, str]


class _Service:
    __slots__ = ("members", "port", "selector", "uid")

    def __init__(self, obj: Json) -> None:
        spec = obj["spec"]
        self.uid: str = obj["metadata"]["uid"]
        self.selector: dict[str, str] = dict(spec["selector"])
        first: Json = (spec.get("ports") or [{}])[0]
        target = first.get("targetPort", first.get("port", 80))
        self.port: Json = {
            "name": first.get("name", ""),
            "port": target if isinstance(target, int) else 8000,
            "protocol": first.get("protocol", "TCP"),
        }
        self.members: dict[str, Json] = {}

    def selects(self, labels: dict[str, str]) -> bool:
        return all(labels.get(k) == v for k, v in self.selector.items())


class Endpoints:
    """Keeps the slices of all services that select pods and have an address of their own."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._services: dict[_Key, _Service] = {}
        self._by_label: dict[tuple[str, str, str], set[_Key]] = {}
        self._dirty: set[_Key] = set()
        self._started = False
        store.subscribe("services", self._service_changed)
        store.subscribe("pods", self._pod_changed)

    def start(self) -> None:
        """From now on a new service may find pods that were there before it."""
        self._started = True

    def _service_changed(self, change: str, obj: Json) -> None:
        meta, spec = obj["metadata"], obj.get("spec") or {}
        key = (meta["namespace"], meta["name"])
        known = self._services.pop(key, None)
        if known is not None:
            self._by_label[self._index_of(key, known)].discard(key)
        if change == "DELETED" or not spec.get("selector") or spec.get("clusterIP") == "None":
            return
        service = self._services[key] = _Service(obj)
        self._by_label.setdefault(self._index_of(key, service), set()).add(key)
        if known is not None and known.selector == service.selector:
            service.members = known.members
        elif self._started:
            for pod in self._store.list("pods", key[0], service.selector):
                self._place(service, pod)
        self._touch(key)

    @staticmethod
    def _index_of(key: _Key, service: _Service) -> tuple[str, str, str]:
        label = next(iter(service.selector.items()))
        return (key[0], *label)

    def _pod_changed(self, change: str, pod: Json) -> None:
        meta = pod["metadata"]
        labels: dict[str, str] = meta.get("labels") or {}
        for label, value in labels.items():
            for key in self._by_label.get((meta["namespace"], label, value), ()):
                service = self._services[key]
                if not service.selects(labels):
                    continue
                before = service.members.get(meta["name"])
                if change == "DELETED":
                    service.members.pop(meta["name"], None)
                else:
                    self._place(service, pod)
                if service.members.get(meta["name"]) != before:
                    self._touch(key)

    @staticmethod
    def _place(service: _Service, pod: Json) -> None:
        meta, status = pod["metadata"], pod.get("status") or {}
        address = status.get("podIP")
        if not address:
            service.members.pop(meta["name"], None)
            return
        ready = any(
            c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ()
        )
        ending = "deletionTimestamp" in meta
        service.members[meta["name"]] = {
            "addresses": [address],
            "conditions": {"ready": ready and not ending, "serving": ready, "terminating": ending},
            "nodeName": pod["spec"].get("nodeName", ""),
            "targetRef": {
                "kind": "Pod",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
        }

    def _touch(self, key: _Key) -> None:
        if key not in self._dirty:
            self._dirty.add(key)
            self._engine.after(_SETTLE, lambda: self._write(key))

    def _write(self, key: _Key) -> None:
        self._dirty.discard(key)
        service = self._services.get(key)
        if service is None:
            return
        namespace, name = key
        members = [service.members[pod] for pod in sorted(service.members)]
        parts = [members[i : i + _PER_SLICE] for i in range(0, len(members), _PER_SLICE)] or [[]]
        wanted: set[str] = set()
        for number, part in enumerate(parts):
            slice_name = f"{name}-{zlib.crc32(f'{service.uid}{number}'.encode()) % 36**5:05d}"
            wanted.add(slice_name)
            self._put(namespace, name, slice_name, service, part)
        for record in self._store.dependents(service.uid, _SLICES):
            if record.name not in wanted:
                self._store.delete(_SLICES, namespace, record.name)

    def _put(self, namespace: str, name: str, slice_name: str, service: _Service, part: list[Any]) -> None:
        def change(obj: Json) -> None:
            obj["endpoints"] = part

        if self._store.mutate(_SLICES, namespace, slice_name, change, manager=_MANAGER) is not None:
            return
        self._store.create(
            _SLICES,
            {
                "kind": "EndpointSlice",
                "apiVersion": "discovery.k8s.io/v1",
                "metadata": {
                    "name": slice_name,
                    "namespace": namespace,
                    "labels": {
                        "kubernetes.io/service-name": name,
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                    },
                    "ownerReferences": [
                        {
                            "apiVersion": "v1",
                            "kind": "Service",
                            "name": name,
                            "uid": service.uid,
                            "controller": True,
                            "blockOwnerDeletion": True,
                        }
                    ],
                },
                "addressType": "IPv4",
                "endpoints": part,
                "ports": [service.port],
            },
            manager=_MANAGER,
        )
