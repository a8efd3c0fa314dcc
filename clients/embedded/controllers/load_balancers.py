"""Services of type LoadBalancer: where gateways tell by which address and port they are reached."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.store import Store, new_namespace

__all__ = ["LoadBalancer"]

_MANAGER = "cloud-controller-manager"


class LoadBalancer(Struct):
    """One of them. Until somebody listens behind it, its address leads nowhere."""

    namespace: str
    name: str
    address: str
    cluster_ip: str
    labels: Mapping[str, str]
    selector: Mapping[str, str]
    target_port: int
    """Of the gateway's pods."""
    node_port: int
    port: int = 80
    """Where it listens for HTTP."""

    @property
    def ingress(self) -> list[Json]:
        """What ``status.loadBalancer.ingress`` says, of the Service and of what it leads to."""
        told: Json = {"ip": self.address}
        if self.port != 80:
            told["ports"] = [{"port": self.port, "protocol": "TCP"}]
        return [told]

    def put(self, store: Store) -> None:
        """Puts the Service in place, if it is not there yet."""
        if store.record("namespaces", None, self.namespace) is None:
            store.create("namespaces", new_namespace(self.namespace), manager="kube-apiserver")
        if store.record("services", self.namespace, self.name) is None:
            store.create("services", self._object(), manager=_MANAGER)

    def move(self, store: Store, address: str, port: int) -> None:
        """From now on it is reached there."""
        self.address, self.port = address, port

        def change(obj: Json) -> None:
            obj["spec"]["ports"] = self._ports()

        def tell(obj: Json) -> None:
            obj["status"] = {"loadBalancer": {"ingress": self.ingress}}

        store.mutate("services", self.namespace, self.name, change, manager=_MANAGER)
        store.mutate("services", self.namespace, self.name, tell, manager=_MANAGER, subresource="status")

    def _ports(self) -> list[Json]:
        return [
            {
                "name": "http",
                "port": self.port,
                "protocol": "TCP",
                "targetPort": self.target_port,
                "nodePort": self.node_port,
            }
        ]

    def _object(self) -> Json:
        return {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": dict(self.labels)},
            "spec": {
                "type": "LoadBalancer",
                "clusterIP": self.cluster_ip,
                "externalTrafficPolicy": "Local",
                "ports": self._ports(),
                "selector": dict(self.selector),
                "sessionAffinity": "None",
            },
            "status": {"loadBalancer": {"ingress": self.ingress}},
        }
