"""The Service of Kthena's router, as its chart (v1.0.0) leaves it: a load balancer in ``kthena-system``."""

from __future__ import annotations

from clients.embedded.controllers.load_balancers import LoadBalancer
from clients.embedded.store import Store

__all__ = ["MODEL_ROUTES", "MODEL_SERVERS", "KthenaRouter"]

MODEL_ROUTES = "modelroutes.networking.serving.volcano.sh"
MODEL_SERVERS = "modelservers.networking.serving.volcano.sh"
_ADDRESS = "203.0.113.11"
_COMPONENT = "app.kubernetes.io/component"


class KthenaRouter:
    """Says where the router is reached; ModelRoutes and ModelServers have no status that it would write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._balancer = LoadBalancer(
            namespace="kthena-system",
            name="kthena-router",
            address=_ADDRESS,
            cluster_ip="10.96.0.81",
            labels={_COMPONENT: "kthena-router"},
            selector={_COMPONENT: "kthena-router", "app.kubernetes.io/name": "kthena"},
            target_port=8080,
            node_port=30081,
        )

    def start(self) -> None:
        """Puts its load balancer in place."""
        self._balancer.put(self._store)

    def listen(self, address: str, port: int) -> None:
        """The router listens there."""
        self._balancer.move(self._store, address, port)
