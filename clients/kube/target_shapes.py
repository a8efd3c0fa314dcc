"""The parts of objects that tell how a model is reached from outside, as they stand in the JSON.

Kinds: Service (v1), Ingress (networking.k8s.io/v1), Gateway (gateway.networking.k8s.io/v1), ModelServer and
ModelRoute (networking.serving.volcano.sh/v1alpha1), InferenceService (serving.kserve.io/v1beta1).
"""

from __future__ import annotations

from msgspec import Raw, Struct, field

__all__ = [
    "Container",
    "Gateway",
    "InferenceService",
    "Ingress",
    "ListOf",
    "LoadBalancer",
    "ModelRoute",
    "ModelServer",
    "Named",
    "PodTemplate",
    "Service",
    "Workload",
]


class Named(Struct):
    """Metadata."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None


class ListOf(Struct):
    """An answer to a list."""

    items: list[Raw] | None = None


class Container(Struct):
    """What a container runs."""

    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None


class _PodSpec(Struct):
    containers: list[Container] | None = None


class _PodMeta(Struct):
    labels: dict[str, str] | None = None


class PodTemplate(Struct):
    """What pods are made of."""

    metadata: _PodMeta | None = None
    spec: _PodSpec | None = None


class _Role(Struct, rename="camel"):
    name: str = ""
    entry_template: PodTemplate | None = None


class _ServingTemplate(Struct):
    roles: list[_Role] | None = None
    metadata: _PodMeta | None = None
    spec: _PodSpec | None = None


class _LeaderWorker(Struct, rename="camel"):
    leader_template: PodTemplate | None = None
    worker_template: PodTemplate | None = None


class _WorkloadSpec(Struct, rename="camel"):
    template: _ServingTemplate | None = None
    """A ModelServing's, or a pod template."""
    leader_worker_template: _LeaderWorker | None = None


class Workload(Struct):
    """A ModelServing, LeaderWorkerSet, Deployment or StatefulSet."""

    spec: _WorkloadSpec | None = None


class _Format(Struct):
    name: str | None = None


class _Model(Struct, rename="camel"):
    model_format: _Format | None = None
    protocol_version: str | None = None
    args: list[str] | None = None


class _Predictor(Struct):
    model: _Model | None = None
    containers: list[Container] | None = None


class _InferenceSpec(Struct):
    predictor: _Predictor | None = None


class _Url(Struct):
    url: str | None = None


class InferenceService(Struct):
    """What tells its URL and protocol."""

    class Status(Struct):
        """Its addresses."""

        url: str | None = None
        address: _Url | None = None

    metadata: Named = field(default_factory=Named)
    spec: _InferenceSpec | None = None
    status: Status | None = None


class _Port(Struct):
    port: int | None = None


class _Entry(Struct):
    ip: str | None = None
    hostname: str | None = None
    ports: list[_Port] | None = None


class LoadBalancer(Struct):
    """``status.loadBalancer``."""

    ingress: list[_Entry] | None = None


class _Balanced(Struct, rename="camel"):
    load_balancer: LoadBalancer | None = None


class _ServicePort(Struct):
    name: str | None = None
    port: int | None = None


class _ServiceSpec(Struct, rename="camel"):
    type: str | None = None
    selector: dict[str, str] | None = None
    ports: list[_ServicePort] | None = None
    external: list[str] | None = field(default=None, name="externalIPs")


class Service(Struct):
    """A Service."""

    metadata: Named = field(default_factory=Named)
    spec: _ServiceSpec | None = None
    status: _Balanced | None = None


class _BackendService(Struct):
    name: str = ""


class _Backend(Struct):
    service: _BackendService | None = None


class _Path(Struct):
    backend: _Backend | None = None


class _Http(Struct):
    paths: list[_Path] | None = None


class _Rule(Struct):
    host: str | None = None
    http: _Http | None = None


class _Tls(Struct):
    hosts: list[str] | None = None


class _IngressSpec(Struct):
    rules: list[_Rule] | None = None
    tls: list[_Tls] | None = None


class Ingress(Struct):
    """An Ingress."""

    metadata: Named = field(default_factory=Named)
    spec: _IngressSpec | None = None
    status: _Balanced | None = None


class _Listener(Struct):
    name: str = ""
    port: int | None = None
    protocol: str | None = None
    hostname: str | None = None


class _GatewaySpec(Struct):
    listeners: list[_Listener] | None = None


class _Address(Struct):
    value: str | None = None


class _GatewayStatus(Struct):
    addresses: list[_Address] | None = None


class Gateway(Struct):
    """A Gateway of the Gateway API."""

    metadata: Named = field(default_factory=Named)
    spec: _GatewaySpec | None = None
    status: _GatewayStatus | None = None


class _Selector(Struct, rename="camel"):
    match_labels: dict[str, str] | None = None


class _ModelServerSpec(Struct, rename="camel"):
    model: str | None = None
    workload_selector: _Selector | None = None


class ModelServer(Struct):
    """Kthena's: which pods serve a model."""

    metadata: Named = field(default_factory=Named)
    spec: _ModelServerSpec | None = None


class _Target(Struct, rename="camel"):
    model_server_name: str = ""


class _RouteRule(Struct, rename="camel"):
    target_models: list[_Target] | None = None


class _Parent(Struct, rename="camel"):
    name: str = ""
    namespace: str | None = None
    section_name: str | None = None


class _ModelRouteSpec(Struct, rename="camel"):
    model_name: str | None = None
    lora_adapters: list[str] | None = None
    parent_refs: list[_Parent] | None = None
    rules: list[_RouteRule] | None = None


class ModelRoute(Struct):
    """Kthena's: by which model name requests reach which ModelServer, and through which Gateway."""

    metadata: Named = field(default_factory=Named)
    spec: _ModelRouteSpec | None = None
