"""The ingress controller of the embedded cluster: one load balancer, and its address on every Ingress."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.load_balancers import LoadBalancer
from clients.embedded.controllers.workqueue import Key, WorkQueue
from clients.embedded.engine import Engine
from clients.embedded.store import Store

__all__ = ["ADDRESS", "INGRESSES", "IngressController", "takes"]

INGRESSES = "ingresses.networking.k8s.io"
ADDRESS = "203.0.113.10"
"""Of the load balancer while nobody listens; from the range that is kept for documentation."""

_NAME = "nginx-ingress-lb"
_MANAGER = "nginx-ingress-controller"


class IngressController:
    """Acts on every Ingress of the class ``nginx`` from ``start`` on."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._queue = WorkQueue(engine, self._sync, reaction=1.0)
        self._balancer = LoadBalancer(
            namespace="kube-system",
            name=_NAME,
            address=ADDRESS,
            cluster_ip="10.96.0.80",
            labels={"app": _NAME},
            selector={"app": "ingress-nginx"},
            target_port=80,
            node_port=30080,
        )
        store.subscribe(INGRESSES, self._changed)

    def start(self) -> None:
        """Puts its load balancer in place and looks at Ingresses from now on."""
        self._balancer.put(self._store)
        self._queue.open()
        self._sync_all()

    def listen(self, address: str, port: int) -> None:
        """Its gateway listens there: the load balancer and all Ingresses say so."""
        self._balancer.move(self._store, address, port)
        self._sync_all()

    def _sync_all(self) -> None:
        for record in self._store.records(INGRESSES):
            self._sync(record.key)

    def _changed(self, change: str, obj: Json) -> None:
        if change != "DELETED":
            self._queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _sync(self, key: Key) -> None:
        def change(obj: Json) -> None:
            if takes(obj):
                obj["status"] = {"loadBalancer": {"ingress": self._balancer.ingress}}

        self._store.mutate(INGRESSES, *key, change, manager=_MANAGER, subresource="status")


def takes(ingress: Json) -> bool:
    """Whether an Ingress is of its class."""
    told: str = (ingress.get("spec") or {}).get("ingressClassName", "nginx")
    return told == "nginx"
