"""The ingress controller of the embedded cluster: one load balancer, and its address on every Ingress."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.workqueue import Key, WorkQueue
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["ADDRESS", "INGRESSES", "IngressController"]

INGRESSES = "ingresses.networking.k8s.io"
ADDRESS = "203.0.113.10"
"""Of the load balancer; from the range that is kept for documentation."""

_NAMESPACE, _NAME = "kube-system", "nginx-ingress-lb"
_MANAGER = "nginx-ingress-controller"


def _load_balancer() -> Json:
    ports = (("http", 80, 30080), ("https", 443, 30443))
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": _NAME, "namespace": _NAMESPACE, "labels": {"app": _NAME}},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.80",
            "externalTrafficPolicy": "Local",
            "ports": [
                {"name": name, "port": port, "protocol": "TCP", "targetPort": port, "nodePort": node_port}
                for name, port, node_port in ports
            ],
            "selector": {"app": "ingress-nginx"},
            "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}},
    }


class IngressController:
    """Acts on every Ingress of the class ``nginx`` from ``start`` on."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._queue = WorkQueue(engine, self._sync, reaction=1.0)
        store.subscribe(INGRESSES, self._changed)

    def start(self) -> None:
        """Puts its load balancer in place and looks at Ingresses from now on."""
        if self._store.record("services", _NAMESPACE, _NAME) is None:
            self._store.create("services", _load_balancer(), manager=_MANAGER)
        self._queue.open()
        for record in self._store.records(INGRESSES):
            self._sync(record.key)

    def _changed(self, change: str, obj: Json) -> None:
        if change != "DELETED":
            self._queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _sync(self, key: Key) -> None:
        def change(obj: Json) -> None:
            if (obj.get("spec") or {}).get("ingressClassName", "nginx") == "nginx":
                obj["status"] = {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}

        self._store.mutate(INGRESSES, *key, change, manager=_MANAGER, subresource="status")
