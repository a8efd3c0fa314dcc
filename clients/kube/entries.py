"""Addresses at which requests enter a cluster: of Services, Ingresses, Gateways and Kthena's router.

Only what the objects' own status tells. A Service inside the cluster has none: what leads to it from outside
without a load balancer (node ports, port-forward, the API server's proxy) is not offered for load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from clients.kube.decode import DecodeFailure, read
from clients.kube.discovery import collection, serves
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.resources import ResourceSpec, in_path
from clients.kube.session import Session
from clients.kube.target_shapes import Gateway, Ingress, ListOf, LoadBalancer, ModelRoute, Service
from clients.serving.plain import plain
from clients.serving.target import Fact

__all__ = ["Entries", "Way", "fits"]

SERVICES = ResourceSpec("services", "", "services", "Service", ("v1",))
INGRESSES = ResourceSpec("ingresses", "networking.k8s.io", "ingresses", "Ingress", ("v1",))
GATEWAYS = ResourceSpec("gateways", "gateway.networking.k8s.io", "gateways", "Gateway", ("v1", "v1beta1"))
_ROUTER = "app.kubernetes.io/component=kthena-router"
"""The label that Kthena's chart gives its router's Service (v1.0)."""

_LIST = msgspec.json.Decoder(ListOf)
_GATEWAY = msgspec.json.Decoder(Gateway)

T = TypeVar("T")


class Way(Struct, frozen=True):
    """An address, and the Host header that leads on from there."""

    address: Fact
    host: Fact


def fits(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether a selector takes pods of these labels; an empty one takes none."""
    return bool(selector) and all(labels.get(name) == value for name, value in (selector or {}).items())


class Entries:
    """Asks one cluster; ``ingress`` is the address that the settings give for its ingress, if they do."""

    def __init__(self, session: Session, ingress: str | None) -> None:
        self._session = session
        self._setting = ingress

    async def objects(
        self, spec: ResourceSpec, kind: type[T], namespace: str | None, selector: str = ""
    ) -> list[T]:
        """All of a resource; none where it is not installed. Raises KubeError."""
        served = await serves(self._session, spec)
        if served is None:
            return []
        params = {"labelSelector": selector} if selector else None
        path = collection(served, spec, namespace)
        body = await self._session.get(path, params)
        decoder = msgspec.json.Decoder(kind)
        try:
            return [read(decoder, item) for item in read(_LIST, body).items or ()]
        except DecodeFailure:
            told = f"GET {path}: answered with no list"
            raise KubeError(told, kind=ErrorKind.PROTOCOL, sent=True) from None

    async def of_host(self, namespace: str, host: str, scheme: str) -> Fact:
        """The address of whatever Ingress has a rule for a host name."""
        if self._setting is not None:
            return _by_setting(self._setting)
        try:
            ingresses = await self.objects(INGRESSES, Ingress, namespace)
        except KubeError as error:
            return Fact(None, f"no address: {error.message}")
        for ingress in ingresses:
            rules = (ingress.spec.rules if ingress.spec else None) or ()
            if any(rule.host == host for rule in rules):
                return _ingress_address(ingress, scheme)
        return Fact(None, f"no Ingress of {plain(namespace)} has a rule for {plain(host)}")

    async def of_pods(self, namespace: str, labels: Sequence[Mapping[str, str]]) -> Way:
        """By the Service in front of pods: its own load balancer, else the Ingress that leads to it.

        ``labels``: of each kind of pod that takes requests.
        """
        try:
            services = await self.objects(SERVICES, Service, namespace)
        except KubeError as error:
            return _nowhere(f"no address: {error.message}")
        fitting = [
            one
            for one in services
            if one.spec is not None and any(fits(one.spec.selector, pod) for pod in labels)
        ]
        for service in fitting:
            address = _service_address(service)
            if address.value is not None:
                return Way(address, Fact(None, "the Service has an address of its own"))
        if not fitting:
            return _nowhere(f"no Service of {plain(namespace)} selects its pods")
        names = {service.metadata.name for service in fitting}
        return await self._behind_ingress(namespace, names)

    async def _behind_ingress(self, namespace: str, services: set[str]) -> Way:
        try:
            ingresses = await self.objects(INGRESSES, Ingress, namespace)
        except KubeError as error:
            return _nowhere(f"no address: {error.message}")
        for ingress in ingresses:
            secured = {host for tls in (ingress.spec and ingress.spec.tls) or () for host in tls.hosts or ()}
            for rule in (ingress.spec and ingress.spec.rules) or ():
                backends = [path.backend for path in (rule.http and rule.http.paths) or () if path.backend]
                if any(one.service is not None and one.service.name in services for one in backends):
                    said = Fact(rule.host, f"rule of Ingress {plain(ingress.metadata.name)}")
                    if self._setting is not None:
                        return Way(_by_setting(self._setting), said)
                    scheme = "https" if rule.host in secured else "http"
                    return Way(_ingress_address(ingress, scheme), said)
        shown = ", ".join(sorted(plain(name, 60) for name in services)[:3])
        return _nowhere(f"Service {shown} is inside the cluster only: no load balancer, no Ingress")

    async def of_route(self, route: ModelRoute) -> Way:
        """By the Gateway that a ModelRoute names, else by Kthena's own router."""
        parents = (route.spec.parent_refs if route.spec else None) or ()
        if self._setting is not None:
            return Way(_by_setting(self._setting), Fact(None, "the router goes by the model's name"))
        if not parents:
            return Way(await self._router(), Fact(None, "the router goes by the model's name"))
        parent = parents[0]
        namespace = parent.namespace or route.metadata.namespace
        try:
            gateway = await self._gateway(namespace, parent.name)
        except KubeError as error:
            return _nowhere(f"no address of Gateway {plain(parent.name)}: {error.message}")
        return _gateway_way(gateway, parent.section_name)

    async def _gateway(self, namespace: str, name: str) -> Gateway:
        served = await serves(self._session, GATEWAYS)
        if served is None:
            raise KubeError("the Gateway API is not installed", kind=ErrorKind.NOT_FOUND, sent=True)
        path = f"{collection(served, GATEWAYS, namespace)}/{in_path(name)}"
        try:
            return read(_GATEWAY, await self._session.get(path))
        except DecodeFailure:
            raise KubeError(f"GET {path}: no object", kind=ErrorKind.PROTOCOL, sent=True) from None

    async def _router(self) -> Fact:
        try:
            services = await self.objects(SERVICES, Service, None, _ROUTER)
        except KubeError as error:
            return Fact(None, f"no address of Kthena's router: {error.message}")
        facts = [_service_address(service) for service in services]
        known = next((fact for fact in facts if fact.value is not None), None)
        if known is not None:
            return known
        return facts[0] if facts else Fact(None, f"no Service is labelled {_ROUTER}")


def _nowhere(source: str) -> Way:
    return Way(Fact(None, source), Fact(None, ""))


def _by_setting(address: str) -> Fact:
    return Fact(address, "setting [load] ingress")


def _balanced(balancer: LoadBalancer | None) -> tuple[str, int | None] | None:
    """(ip or name, port where the status tells it) of a load balancer; ``None`` while it has no address."""
    for entry in (balancer.ingress if balancer else None) or ():
        place = entry.ip or entry.hostname
        if place:
            port = next((port.port for port in entry.ports or () if port.port), None)
            return place, port
    return None


def _service_address(service: Service) -> Fact:
    name = f"Service {plain(service.metadata.namespace, 60)}/{plain(service.metadata.name, 60)}"
    spec = service.spec
    ports = [port for port in (spec.ports if spec else None) or () if port.port]
    found = _balanced(service.status.load_balancer if service.status else None)
    if found is None and spec is not None and spec.external:
        found = (spec.external[0], None)
    if found is None:
        if spec is not None and spec.type == "LoadBalancer":
            return Fact(None, f"the load balancer of {name} has no address yet")
        return Fact(None, f"{name} has no load balancer")
    secure = [port.port for port in ports if port.port == 443 or (port.name or "").startswith("https")]
    open_ = [port.port for port in ports if port.port not in secure]
    scheme = "http" if open_ or not secure else "https"
    port = (open_ or secure or [None])[0]
    return Fact(_url(scheme, found[0], port), f"load balancer of {name}")


def _ingress_address(ingress: Ingress, scheme: str) -> Fact:
    name = f"Ingress {plain(ingress.metadata.name, 60)}"
    found = _balanced(ingress.status.load_balancer if ingress.status else None)
    if found is None:
        return Fact(None, f"the load balancer of {name} has no address yet")
    return Fact(_url(scheme, *found), f"load balancer of {name}")


def _gateway_way(gateway: Gateway, section: str | None) -> Way:
    name = f"Gateway {plain(gateway.metadata.name, 60)}"
    listeners = (gateway.spec.listeners if gateway.spec else None) or ()
    values = [one.value for one in (gateway.status.addresses if gateway.status else None) or () if one.value]
    if not values:
        return _nowhere(f"{name} has no address yet")
    for listener in listeners:
        if section is not None and listener.name != section:
            continue
        if listener.protocol in ("HTTP", "HTTPS"):
            scheme = "https" if listener.protocol == "HTTPS" else "http"
            host = listener.hostname if listener.hostname and not listener.hostname.startswith("*") else None
            said = f"listener {plain(listener.name, 60)} of {name}"
            return Way(Fact(_url(scheme, values[0], listener.port), f"address of {name}"), Fact(host, said))
    return _nowhere(f"{name} has {len(listeners)} listeners, none of them for HTTP")


def _url(scheme: str, place: str, port: int | None) -> str:
    host = f"[{place}]" if ":" in place else place
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}" if port in (None, usual) else f"{scheme}://{host}:{port}"
