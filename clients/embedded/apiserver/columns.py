"""The printer columns of the built-in kinds, as ``kubectl get`` shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients.embedded.apiserver.objects import Json, at_path
from clients.embedded.apiserver.registry import Column
from clients.embedded.apiserver.roles import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from clients.embedded.apiserver.times import age

__all__ = ["BUILT_IN_COLUMNS", "UNNAMED"]

_Value = Callable[[Json, float], Any]
_CREATED = ("metadata", "creationTimestamp")


def _at(*path: str, default: Any = "") -> _Value:
    def read(obj: Json, _now: float) -> Any:
        value = at_path(obj, path)
        return default if value is None else value

    return read


def _text(name: str, *path: str, wide: bool = False, default: str = "<none>") -> Column:
    return Column(name, "string", _at(*path, default=default), wide)


def _number(name: str, *path: str) -> Column:
    return Column(name, "integer", _at(*path, default=0))


def _items(obj: Json, *path: str) -> list[Json]:
    found = at_path(obj, path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


_AGE = Column("Age", "string", _CREATED)
_CREATED_AT = Column("Created At", "date", _at(*_CREATED))


def _pod_ready(obj: Json, _now: float) -> str:
    ready = sum(1 for c in _items(obj, "status", "containerStatuses") if c.get("ready"))
    return f"{ready}/{len(_items(obj, 'spec', 'containers'))}"


def _pod_status(obj: Json, _now: float) -> str:
    """Deletion first, then what an init container or a container waits for or ended with, then the phase."""
    status = obj.get("status") or {}
    told = str(status.get("reason") or status.get("phase") or "Unknown")
    inits = _items(obj, "status", "initContainerStatuses")
    for index, container in enumerate(inits):
        state = container.get("state") or {}
        ended = state.get("terminated")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        reason = _reason(state)
        if reason and reason != "PodInitializing":
            told = f"Init:{reason}"
        elif not (container.get("started") and "running" in state):
            told = f"Init:{index}/{len(inits)}"
        break
    else:
        for container in reversed(_items(obj, "status", "containerStatuses")):
            told = _reason(container.get("state") or {}) or told
    if (obj.get("metadata") or {}).get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return told


def _reason(state: Json) -> str:
    for key in ("waiting", "terminated"):
        told = state.get(key)
        if isinstance(told, dict):
            if told.get("reason"):
                return str(told["reason"])
            if key == "terminated":
                return f"ExitCode:{told.get('exitCode', 0)}"
    return ""


def _pod_restarts(obj: Json, now: float) -> str:
    statuses = _items(obj, "status", "containerStatuses")
    count = sum(int(c.get("restartCount") or 0) for c in statuses)
    ended = [at_path(c, ("lastState", "terminated", "finishedAt")) for c in statuses]
    latest = max((t for t in ended if isinstance(t, str)), default=None)
    return f"{count} ({age(latest, now)} ago)" if count and latest else str(count)


def _node_status(obj: Json, _now: float) -> str:
    ready = next((c for c in _items(obj, "status", "conditions") if c.get("type") == "Ready"), {})
    told = {"True": "Ready", "False": "NotReady"}.get(str(ready.get("status")), "NotReady")
    if not ready:
        told = "Unknown"
    return told + (",SchedulingDisabled" if at_path(obj, ("spec", "unschedulable")) else "")


def _node_roles(obj: Json, _now: float) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = (obj.get("metadata") or {}).get("labels") or {}
    return ",".join(sorted(k.removeprefix(prefix) for k in labels if k.startswith(prefix))) or "<none>"


def _node_address(kind: str) -> _Value:
    def read(obj: Json, _now: float) -> str:
        found = (a for a in _items(obj, "status", "addresses") if a.get("type") == kind)
        return str(next(found, {}).get("address") or "<none>")

    return read


def _node_kernel(obj: Json, _now: float) -> str:
    info = at_path(obj, ("status", "nodeInfo")) or {}
    kernel, built_for = info.get("kernelVersion") or "<unknown>", info.get("architecture")
    return f"{kernel} ({built_for})" if built_for else kernel


def _readiness_gates(obj: Json, _now: float) -> str:
    gates = [g.get("conditionType") for g in _items(obj, "spec", "readinessGates")]
    met = {c.get("type") for c in _items(obj, "status", "conditions") if c.get("status") == "True"}
    return f"{sum(1 for g in gates if g in met)}/{len(gates)}" if gates else "<none>"


def _service_selector(obj: Json, _now: float) -> str:
    wanted = at_path(obj, ("spec", "selector")) or {}
    return ",".join(f"{k}={v}" for k, v in sorted(wanted.items())) or "<none>"


def _ports(obj: Json, _now: float) -> str:
    told = []
    for port in _items(obj, "spec", "ports"):
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        told.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(told) or "<none>"


def _external(obj: Json, _now: float) -> str:
    found = [str(a.get("ip") or a.get("hostname")) for a in _items(obj, "status", "loadBalancer", "ingress")]
    if at_path(obj, ("spec", "type")) == "LoadBalancer":
        return ",".join(found) or "<pending>"
    return ",".join(at_path(obj, ("spec", "externalIPs")) or ()) or "<none>"


def _hosts(obj: Json, _now: float) -> str:
    found = [str(rule["host"]) for rule in _items(obj, "spec", "rules") if rule.get("host")]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more or "*"


def _ingress_address(obj: Json, _now: float) -> str:
    found = _items(obj, "status", "loadBalancer", "ingress")
    return ",".join(str(a.get("ip") or a.get("hostname")) for a in found)


def _containers_of(field: str) -> _Value:
    def read(obj: Json, _now: float) -> str:
        return ",".join(str(c.get(field)) for c in _items(obj, "spec", "template", "spec", "containers"))

    return read


def _selector_of(obj: Json, _now: float) -> str:
    wanted = at_path(obj, ("spec", "selector", "matchLabels")) or {}
    return ",".join(f"{k}={v}" for k, v in sorted(wanted.items())) or "<none>"


def _nodes_of(obj: Json, _now: float) -> str:
    wanted = at_path(obj, ("spec", "template", "spec", "nodeSelector")) or {}
    return ",".join(f"{k}={v}" for k, v in sorted(wanted.items())) or "<none>"


def _ready_of(obj: Json, _now: float) -> str:
    ready = at_path(obj, ("status", "readyReplicas")) or 0
    return f"{ready}/{at_path(obj, ('spec', 'replicas')) or 0}"


def _data(obj: Json, _now: float) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _hpa_reference(obj: Json, _now: float) -> str:
    target = at_path(obj, ("spec", "scaleTargetRef")) or {}
    return f"{target.get('kind')}/{target.get('name')}"


_SHOWN_METRICS = 2


def _hpa_metric(metric: Json, status: Json) -> str:
    """``cpu: 31%/80%``, ``97500m/60``, ``12/10 (avg)``: what is, and what is wanted."""
    kind = str(metric.get("type", ""))
    source = kind[:1].lower() + kind[1:]
    target = at_path(metric, (source, "target")) or {}
    current = at_path(status, (source, "current")) or {}
    if target.get("averageValue") is not None:
        now, wanted = current.get("averageValue"), str(target["averageValue"])
        wanted += " (avg)" if kind in ("Object", "External") else ""
    elif target.get("averageUtilization") is not None:
        percent = current.get("averageUtilization")
        now, wanted = None if percent is None else f"{percent}%", f"{target['averageUtilization']}%"
    else:
        now, wanted = current.get("value"), target.get("value", "<auto>")
    told = f"{'<unknown>' if now is None else now}/{wanted}"
    name = at_path(metric, (source, "name"))
    return f"{name}: {told}" if kind in ("Resource", "ContainerResource") else told


def _hpa_targets(obj: Json, _now: float) -> str:
    metrics, statuses = _items(obj, "spec", "metrics"), _items(obj, "status", "currentMetrics")
    told = [
        _hpa_metric(metric, statuses[index] if index < len(statuses) else {})
        for index, metric in enumerate(metrics)
    ]
    left = len(told) - _SHOWN_METRICS
    shown = ", ".join(told[:_SHOWN_METRICS]) or "<none>"
    return f"{shown} + {left} more..." if left > 0 else shown


def _event_seen(obj: Json, now: float) -> str:
    last = at_path(obj, ("series", "lastObservedTime"))
    last = last or obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp")
    return age(last, now) if last else _event_first(obj, now)


def _event_first(obj: Json, now: float) -> str:
    for key in ("firstTimestamp", "deprecatedFirstTimestamp", "eventTime"):
        if obj.get(key):
            return age(obj[key], now)
    return "<unknown>"


def _event_count(obj: Json, _now: float) -> int:
    counted = at_path(obj, ("series", "count")) or obj.get("count") or obj.get("deprecatedCount")
    return int(counted or 1)


def _event_part(obj: Json, _now: float) -> str:
    return str((obj.get("involvedObject") or obj.get("regarding") or {}).get("fieldPath") or "")


def _event_source(obj: Json, _now: float) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    who = source.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
    where = source.get("host") or obj.get("reportingInstance")
    return f"{who}, {where}" if where else who


def _event_object(obj: Json, _now: float) -> str:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_message(obj: Json, _now: float) -> str:
    return str(obj.get("message") or obj.get("note") or "").strip()


def _endpoints(obj: Json, _now: float) -> str:
    found = [a for e in _items(obj, "endpoints") for a in e.get("addresses") or ()]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more if found else "<unset>"


def _slice_ports(obj: Json, _now: float) -> str:
    return ",".join(str(p.get("port")) for p in _items(obj, "ports")) or "<unset>"


def _subsets(obj: Json, _now: float) -> str:
    found = [
        f"{a.get('ip')}:{p.get('port')}"
        for s in _items(obj, "subsets")
        for a in s.get("addresses") or ()
        for p in s.get("ports") or ()
    ]
    return ",".join(found[:3]) or "<none>"


def _owner(obj: Json, _now: float) -> str:
    for reference in _items(obj, "metadata", "ownerReferences"):
        if reference.get("controller"):
            kind, _, group = str(reference.get("kind", "")).lower(), "", str(reference.get("apiVersion", ""))
            suffix = "." + group.partition("/")[0] if "/" in group else ""
            return f"{kind}{suffix}/{reference.get('name')}"
    return "<none>"


def _role_of(obj: Json, _now: float) -> str:
    return f"{at_path(obj, ('roleRef', 'kind'))}/{at_path(obj, ('roleRef', 'name'))}"


def _subjects(kind: str) -> _Value:
    def read(obj: Json, _now: float) -> str:
        found = [s for s in _items(obj, "subjects") if s.get("kind") == kind]
        # Service accounts only are shown with their namespace.
        names = [f"{s['namespace']}/{s.get('name')}" if s.get("namespace") else s.get("name") for s in found]
        return ", ".join(map(str, names))

    return read


_BINDING_COLUMNS = (
    Column("Role", "string", _role_of),
    _AGE,
    Column("Users", "string", _subjects("User"), wide=True),
    Column("Groups", "string", _subjects("Group"), wide=True),
    Column("ServiceAccounts", "string", _subjects("ServiceAccount"), wide=True),
)
_EVENT_COLUMNS = (
    Column("Last Seen", "string", _event_seen),
    _text("Type", "type"),
    _text("Reason", "reason"),
    Column("Object", "string", _event_object),
    Column("Subobject", "string", _event_part, wide=True),
    Column("Source", "string", _event_source, wide=True),
    Column("Message", "string", _event_message),
    Column("First Seen", "string", _event_first, wide=True),
    Column("Count", "string", _event_count, wide=True),
    Column("Name", "string", _at("metadata", "name"), wide=True),
)
UNNAMED = ("events", "events.events.k8s.io")
"""Whose tables do not begin with a name."""
_SCALED = (
    Column("Ready", "string", _ready_of),
    _number("Up-to-date", "status", "updatedReplicas"),
    _number("Available", "status", "availableReplicas"),
    _AGE,
)

_TEMPLATE = (
    Column("Containers", "string", _containers_of("name"), wide=True),
    Column("Images", "string", _containers_of("image"), wide=True),
)
_SELECTOR = Column("Selector", "string", _selector_of, wide=True)

BUILT_IN_COLUMNS: dict[str, tuple[Column, ...]] = {
    "namespaces": (_text("Status", "status", "phase"), _AGE),
    "nodes": (
        Column("Status", "string", _node_status),
        Column("Roles", "string", _node_roles),
        _AGE,
        _text("Version", "status", "nodeInfo", "kubeletVersion", default=""),
        Column("Internal-IP", "string", _node_address("InternalIP"), wide=True),
        Column("External-IP", "string", _node_address("ExternalIP"), wide=True),
        _text("OS-Image", "status", "nodeInfo", "osImage", wide=True, default="<unknown>"),
        Column("Kernel-Version", "string", _node_kernel, wide=True),
        _text(
            "Container-Runtime",
            "status",
            "nodeInfo",
            "containerRuntimeVersion",
            wide=True,
            default="<unknown>",
        ),
    ),
    "pods": (
        Column("Ready", "string", _pod_ready),
        Column("Status", "string", _pod_status),
        Column("Restarts", "string", _pod_restarts),
        _AGE,
        _text("IP", "status", "podIP", wide=True),
        _text("Node", "spec", "nodeName", wide=True),
        _text("Nominated Node", "status", "nominatedNodeName", wide=True),
        Column("Readiness Gates", "string", _readiness_gates, wide=True),
    ),
    "services": (
        _text("Type", "spec", "type"),
        _text("Cluster-IP", "spec", "clusterIP"),
        Column("External-IP", "string", _external),
        Column("Port(s)", "string", _ports),
        _AGE,
        Column("Selector", "string", _service_selector, wide=True),
    ),
    "events": _EVENT_COLUMNS,
    "events.events.k8s.io": _EVENT_COLUMNS,
    "configmaps": (Column("Data", "integer", _data), _AGE),
    "secrets": (_text("Type", "type"), Column("Data", "integer", _data), _AGE),
    "endpoints": (Column("Endpoints", "string", _subsets), _AGE),
    "deployments.apps": (*_SCALED, *_TEMPLATE, _SELECTOR),
    "statefulsets.apps": (Column("Ready", "string", _ready_of), _AGE, *_TEMPLATE),
    "replicasets.apps": (
        _number("Desired", "spec", "replicas"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        _AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "daemonsets.apps": (
        _number("Desired", "status", "desiredNumberScheduled"),
        _number("Current", "status", "currentNumberScheduled"),
        _number("Ready", "status", "numberReady"),
        _number("Up-to-date", "status", "updatedNumberScheduled"),
        _number("Available", "status", "numberAvailable"),
        Column("Node Selector", "string", _nodes_of),
        _AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "controllerrevisions.apps": (
        Column("Controller", "string", _owner),
        Column("Revision", "integer", ("revision",)),
        _AGE,
    ),
    "horizontalpodautoscalers.autoscaling": (
        Column("Reference", "string", _hpa_reference),
        Column("Targets", "string", _hpa_targets),
        _text("MinPods", "spec", "minReplicas", default="<unset>"),
        _number("MaxPods", "spec", "maxReplicas"),
        _number("Replicas", "status", "currentReplicas"),
        _AGE,
    ),
    "ingresses.networking.k8s.io": (
        _text("Class", "spec", "ingressClassName"),
        Column("Hosts", "string", _hosts),
        Column("Address", "string", _ingress_address),
        Column("Ports", "string", lambda obj, _now: "80, 443" if at_path(obj, ("spec", "tls")) else "80"),
        _AGE,
    ),
    "leases.coordination.k8s.io": (_text("Holder", "spec", "holderIdentity"), _AGE),
    "endpointslices.discovery.k8s.io": (
        _text("AddressType", "addressType"),
        Column("Ports", "string", _slice_ports),
        Column("Endpoints", "string", _endpoints),
        _AGE,
    ),
    "customresourcedefinitions.apiextensions.k8s.io": (_CREATED_AT,),
    ROLES: (_CREATED_AT,),
    CLUSTER_ROLES: (_CREATED_AT,),
    ROLE_BINDINGS: _BINDING_COLUMNS,
    CLUSTER_ROLE_BINDINGS: _BINDING_COLUMNS,
}
