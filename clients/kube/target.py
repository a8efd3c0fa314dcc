"""Where a load test of a workload goes: address, Host, model and protocol, each with where it is from."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from clients.kube.decode_lenient import fit
from clients.kube.entries import Entries, Way, fits
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.objects import read_object
from clients.kube.pod_labels import ENTRY, ROLE, SERVING
from clients.kube.resources import ResourceSpec, Scope
from clients.kube.served_model import ServedModel, served_model
from clients.kube.session import Session
from clients.kube.target_shapes import (
    Container,
    InferenceService,
    ModelRoute,
    ModelServer,
    Named,
    PodTemplate,
    Workload,
)
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.target import Fact, LoadTarget

__all__ = ["ALLOWED", "load_target"]

ALLOWED = ("servegrid.io/load-test", "allowed")
"""The label by which a namespace says that its workloads may be load tested."""

_GROUP = "networking.serving.volcano.sh"
_MODEL_SERVERS = ResourceSpec("modelservers", _GROUP, "modelservers", "ModelServer", ("v1alpha1",))
_MODEL_ROUTES = ResourceSpec("modelroutes", _GROUP, "modelroutes", "ModelRoute", ("v1alpha1",))
_NAMESPACES = ResourceSpec("namespaces", "", "namespaces", "Namespace", ("v1",), Scope.CLUSTER)
_LWS_NAME = "leaderworkerset.sigs.k8s.io/name"
_WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
_OPENAI_FORMATS = ("huggingface", "vllm")
"""Model formats that KServe's Hugging Face runtime serves (KServe 0.15)."""
_OPENAI_PATH = "/openai/v1/chat/completions"


class _Namespace(msgspec.Struct):
    metadata: Named = msgspec.field(default_factory=Named)


async def load_target(
    session: Session, spec: ResourceSpec, key: WorkloadKey, ingress: str | None
) -> LoadTarget:
    """Reads the workload (of resource ``spec``) and what leads to it; ``ingress`` is the setting's address.

    What cannot be read or is not told stays unknown, with the reason. Raises KubeError: the workload itself
    cannot be read.
    """
    raw = await read_object(session, spec, key.namespace, key.name)
    entries = Entries(session, ingress)
    if key.kind == "InferenceService":
        target = await _inference_service(entries, key, fit(raw, InferenceService) or InferenceService())
    else:
        templates, labels = _pods(key, fit(raw, Workload) or Workload())
        served = served_model(container for one in templates for container in _containers(one))
        if key.kind == "ModelServing":
            target = await _model_serving(entries, key, served, labels)
        else:
            target = _of_way(await entries.of_pods(key.namespace or "", labels), served)
    return msgspec.structs.replace(target, labelled=await _labelled(session, key.namespace))


async def _labelled(session: Session, namespace: str | None) -> bool | None:
    try:
        raw = await read_object(session, _NAMESPACES, None, namespace or "")
    except KubeError:
        return None
    found = fit(raw, _Namespace) or _Namespace()
    return (found.metadata.labels or {}).get(ALLOWED[0]) == ALLOWED[1]


def _containers(template: PodTemplate) -> Iterable[Container]:
    return (template.spec.containers if template.spec else None) or ()


def _pods(key: WorkloadKey, workload: Workload) -> tuple[list[PodTemplate], list[dict[str, str]]]:
    """What the pods are made of, and the labels of each kind of pod that takes requests."""
    spec = workload.spec
    templates: list[PodTemplate] = []
    own: list[dict[str, str]] = []
    if spec is not None and spec.leader_worker_template is not None:
        pair = spec.leader_worker_template
        templates = [one for one in (pair.leader_template or pair.worker_template,) if one is not None]
        own = [{_LWS_NAME: key.name, _WORKER_INDEX: "0"}]
    elif spec is not None and spec.template is not None and spec.template.roles is not None:
        roles = [(role.name, role.entry_template) for role in spec.template.roles if role.entry_template]
        templates = [template for _, template in roles]
        own = [{SERVING: key.name, ROLE: name, ENTRY: "true"} for name, _ in roles]
    elif spec is not None and spec.template is not None:
        templates = [PodTemplate(spec.template.metadata, spec.template.spec)]
        own = [{}]
    labels = [
        {**mine, **((one.metadata and one.metadata.labels) or {})}
        for mine, one in zip(own, templates, strict=False)
    ]
    return templates, labels or [{}]


def _of_way(way: Way, served: ServedModel) -> LoadTarget:
    if served.engine is None:
        protocol = Fact("http", "no inference engine was recognised in its image and command")
    else:
        protocol = Fact(served.protocol, served.told)
    where = "its command" if served.name else "its command does not tell it"
    return LoadTarget(way.address, way.host, Fact(served.name, where), protocol)


async def _model_serving(
    entries: Entries, key: WorkloadKey, served: ServedModel, labels: list[dict[str, str]]
) -> LoadTarget:
    """By Kthena's ModelServer and ModelRoute; without them by whatever Service selects its pods."""
    namespace = key.namespace or ""
    try:
        servers = await entries.objects(_MODEL_SERVERS, ModelServer, namespace)
        routes = await entries.objects(_MODEL_ROUTES, ModelRoute, namespace)
    except KubeError as error:
        if error.kind is not ErrorKind.FORBIDDEN:
            raise
        servers, routes = [], []
    names = {server.metadata.name for server in servers if _selects(server, labels)}
    route = next((one for one in routes if _leads_to(one, names)), None)
    if route is None or route.spec is None:
        target = _of_way(await entries.of_pods(namespace, labels), served)
        if names and target.address.value is None:
            said = f"no ModelRoute leads to ModelServer {plain(min(names), 60)}, and {target.address.source}"
            target = msgspec.structs.replace(target, address=Fact(None, said))
        return target
    way = await entries.of_route(route)
    said = f"ModelRoute {plain(route.metadata.name, 60)}"
    model = route.spec.model_name or next(iter(route.spec.lora_adapters or ()), None)
    protocol = Fact("openai-chat", "what Kthena's router speaks")
    return LoadTarget(way.address, way.host, Fact(model, said), protocol)


def _selects(server: ModelServer, labels: list[dict[str, str]]) -> bool:
    selector = server.spec.workload_selector if server.spec else None
    return selector is not None and any(fits(selector.match_labels, one) for one in labels)


def _leads_to(route: ModelRoute, servers: set[str]) -> bool:
    rules = (route.spec.rules if route.spec else None) or ()
    targets = (target for rule in rules for target in rule.target_models or ())
    return any(target.model_server_name in servers for target in targets)


async def _inference_service(entries: Entries, key: WorkloadKey, service: InferenceService) -> LoadTarget:
    """By ``status.url``: its host goes into the header, the Ingress with that host has the address."""
    model, protocol, path = _kserve_model(key, service)
    url = service.status.url if service.status else None
    parts = urlsplit(url or "")
    host = parts.hostname
    if not host or parts.scheme not in ("http", "https"):
        address = Fact(None, "the InferenceService has no status.url yet")
        return LoadTarget(address, Fact(None, ""), model, protocol, path)
    said = Fact(parts.netloc, "status.url of the InferenceService")
    if host.endswith(".cluster.local"):
        address = Fact(None, f"its URL {plain(host, 80)} is for inside the cluster only")
        return LoadTarget(address, said, model, protocol, path)
    address = await entries.of_host(key.namespace or "", host, parts.scheme)
    return LoadTarget(address, said, model, protocol, path)


def _kserve_model(key: WorkloadKey, service: InferenceService) -> tuple[Fact, Fact, str]:
    """(name, protocol, path where it is not the protocol's own)."""
    predictor = service.spec.predictor if service.spec else None
    model = predictor.model if predictor else None
    if model is not None:
        named = Fact(key.name, "a serving runtime calls the model by the InferenceService's name")
        told = (model.protocol_version or "").lower()
        form = (model.model_format.name or "") if model.model_format else ""
        if form in _OPENAI_FORMATS:
            return named, Fact("openai-chat", f"model format {plain(form, 40)}"), _OPENAI_PATH
        if told.startswith("grpc"):
            return named, Fact(None, f"it speaks {plain(told, 40)}, which is not tested here"), ""
        if told == "v2":
            return named, Fact("kserve-v2", "protocolVersion v2"), ""
        return named, Fact("kserve-v1", f"protocolVersion {plain(told, 40)}" if told else "the default"), ""
    served = served_model((predictor.containers if predictor else None) or ())
    name = Fact(served.name or key.name, "its command" if served.name else "the InferenceService's name")
    if served.engine is None:
        return name, Fact("kserve-v1", "KServe's default: no other engine was recognised"), ""
    return name, Fact(served.protocol, served.told), ""
