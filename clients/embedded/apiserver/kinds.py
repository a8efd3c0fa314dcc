"""What the built-in kinds need beyond storage: a few defaults, and the mistakes that are refused."""

from __future__ import annotations

import base64
import copy
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from clients.embedded.apiserver.errors import Cause
from clients.embedded.apiserver.hpa_rules import fill_hpa, hpa_causes
from clients.embedded.apiserver.objects import Json, at_path, encode
from clients.embedded.apiserver.pod_rules import container_causes, fixed_causes
from clients.embedded.apiserver.registry import Resource
from clients.embedded.apiserver.roles import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, RBAC, ROLE_BINDINGS, ROLES
from clients.embedded.apiserver.schema import schema_fault
from clients.embedded.apiserver.workload_rules import WORKLOADS, fill_workload, unchangeable

__all__ = ["fill_kind_defaults", "kind_causes", "kind_prepare_create"]


def _pull_policy(image: str) -> str:
    """A tag that may move is looked up each time."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def _pod_spec_defaults(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        if isinstance(container, dict):
            container.setdefault("resources", {})
            container.setdefault("imagePullPolicy", _pull_policy(str(container.get("image") or "")))
            container.setdefault("terminationMessagePath", "/dev/termination-log")
            container.setdefault("terminationMessagePolicy", "File")


def _pod(obj: Json) -> None:
    if isinstance(obj.get("spec"), dict):
        _pod_spec_defaults(obj["spec"])


def _replicated(key: str, obj: Json) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        inner = at_path(spec, ("template", "spec"))
        if isinstance(inner, dict):
            _pod_spec_defaults(inner)
        fill_workload(key, spec)


def _service(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if not isinstance(spec, dict):
        return
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
        spec["clusterIP"] = f"10.96.{random.randrange(256)}.{random.randrange(1, 255)}"
    for port in spec.get("ports") or ():
        if isinstance(port, dict):
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))


def _binding(obj: Json) -> None:
    if isinstance(obj.get("roleRef"), dict):
        obj["roleRef"].setdefault("apiGroup", RBAC)
    for subject in obj.get("subjects") or ():
        if isinstance(subject, dict) and subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", RBAC)


def _secret(obj: Json) -> None:
    """Plain text that was written becomes data; it is never read back as text."""
    obj.setdefault("type", "Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(str(text).encode()).decode()


_DEFAULTS: dict[str, Callable[[Json], None]] = {
    "secrets": _secret,
    "pods": _pod,
    "services": _service,
    **{key: partial(_replicated, key) for key in WORKLOADS},
    "horizontalpodautoscalers.autoscaling": fill_hpa,
    ROLE_BINDINGS: _binding,
    CLUSTER_ROLE_BINDINGS: _binding,
}


def fill_kind_defaults(definition: Resource, obj: Json) -> None:
    """Fills in what the real server would, for the fields that clients look at."""
    fill = _DEFAULTS.get(definition.key)
    if fill is not None:
        fill(obj)


_FIRST_STATUS: dict[str, Json] = {
    "replicasets.apps": {"replicas": 0},
    "statefulsets.apps": {"replicas": 0, "availableReplicas": 0},
    "daemonsets.apps": dict.fromkeys(
        ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"), 0
    ),
    "horizontalpodautoscalers.autoscaling": {"desiredReplicas": 0, "currentMetrics": None},
}


def kind_prepare_create(definition: Resource, obj: Json) -> None:
    """The first status of kinds that are created with one."""
    if definition.key == "pods":
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    elif definition.key == "namespaces":
        obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        obj["status"] = {"phase": "Active"}
        labels = obj["metadata"].setdefault("labels", {})
        labels.setdefault("kubernetes.io/metadata.name", obj["metadata"].get("name", ""))
    elif definition.key == "services":
        obj["status"] = {"loadBalancer": {}}
    elif definition.key in _FIRST_STATUS:
        obj["status"] = dict(_FIRST_STATUS[definition.key])
    elif definition.status:
        obj["status"] = {}


def kind_causes(definition: Resource, obj: Json, old: Json | None) -> list[Cause]:
    """What is wrong with an object of a built-in kind; ``old`` is its former self, or None."""
    if definition.key == "pods":
        former = copy.deepcopy(old)
        if former is not None:
            # A pod from inside the process may lack a default that the new object has got by now.
            _pod(former)
        return container_causes(obj.get("spec"), "spec") + fixed_causes(obj, former)
    if definition.key in WORKLOADS:
        return _workload(obj) + unchangeable(definition.key, obj, old)
    if definition.key == "horizontalpodautoscalers.autoscaling":
        return hpa_causes(obj, old)
    if definition.key == "events":
        return _event(obj)
    if definition.key == "customresourcedefinitions.apiextensions.k8s.io":
        return _definition(obj)
    if definition.key in (ROLES, CLUSTER_ROLES):
        return _role(obj, namespaced=definition.namespaced)
    if definition.key in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
        return _bound(obj, old, namespaced=definition.namespaced)
    return []


def _workload(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        causes.append(Cause("FieldValueInvalid", why, "spec.replicas"))
    wanted = at_path(spec, ("selector", "matchLabels")) or {}
    if not spec.get("selector"):
        causes.append(Cause("FieldValueRequired", "Required value", "spec.selector"))
    labels = at_path(spec, ("template", "metadata", "labels")) or {}
    if any(labels.get(k) != v for k, v in wanted.items()):
        why = f"Invalid value: {encode(labels).decode()}: `selector` does not match template `labels`"
        causes.append(Cause("FieldValueInvalid", why, "spec.template.metadata.labels"))
    return causes + container_causes(at_path(spec, ("template", "spec")), "spec.template.spec")


def _event(obj: Json) -> list[Cause]:
    about = obj.get("involvedObject") or {}
    here = obj["metadata"].get("namespace")
    told = about.get("namespace") or ""
    # Events about what has no namespace are kept in the default one.
    if told != here and not (told == "" and here == "default"):
        why = f'Invalid value: "{told}": does not match event.namespace'
        return [Cause("FieldValueInvalid", why, "involvedObject.namespace")]
    return []


def _definition(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = [
        Cause("FieldValueRequired", "Required value", ".".join(("spec", *path)))
        for path in (("group",), ("names", "plural"), ("names", "kind"), ("scope",), ("versions",))
        if not at_path(spec, path)
    ]
    wanted = f"{at_path(spec, ('names', 'plural'))}.{spec.get('group')}"
    if not causes and obj["metadata"].get("name") != wanted:
        why = f'Invalid value: "{obj["metadata"].get("name")}": must be spec.names.plural+"."+spec.group'
        causes.append(Cause("FieldValueInvalid", why, "metadata.name"))
    for index, version in enumerate(spec.get("versions") or ()):
        path = f"spec.versions[{index}]"
        if not version.get("name"):
            causes.append(Cause("FieldValueRequired", "Required value", f"{path}.name"))
        schema = at_path(version, ("schema", "openAPIV3Schema"))
        if schema is not None and (fault := schema_fault(schema, f"{path}.schema.openAPIV3Schema")):
            causes.append(Cause("FieldValueInvalid", "Invalid value: not a structural schema", fault))
        for at, column in enumerate(version.get("additionalPrinterColumns") or ()):
            for name in ("name", "type", "jsonPath"):
                if not column.get(name):
                    field = f"{path}.additionalPrinterColumns[{at}].{name}"
                    causes.append(Cause("FieldValueRequired", "Required value", field))
    return causes


def _role(obj: Json, *, namespaced: bool) -> list[Cause]:
    causes = []
    for index, rule in enumerate(obj.get("rules") or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(_required(f"{path}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            where, told = f"{path}.nonResourceURLs", encode(rule["nonResourceURLs"]).decode()
            if namespaced:
                why = "namespaced rules cannot apply to non-resource URLs"
                causes.append(Cause("FieldValueInvalid", f"Invalid value: {told}: {why}", where))
            if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(Cause("FieldValueInvalid", f"Invalid value: {told}: {why}", where))
            continue
        if not rule.get("apiGroups"):
            causes.append(_required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            causes.append(_required(f"{path}.resources", "resource rules must supply at least one resource"))
    return causes


def _bound(obj: Json, old: Json | None, *, namespaced: bool) -> list[Cause]:
    reference = obj.get("roleRef") or {}
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    causes = _among(reference.get("apiGroup"), (RBAC,), "roleRef.apiGroup")
    causes += _among(reference.get("kind"), kinds, "roleRef.kind")
    if not reference.get("name"):
        causes.append(_required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        path, kind = f"subjects[{index}]", subject.get("kind")
        if not subject.get("name"):
            causes.append(_required(f"{path}.name"))
        if kind in ("User", "Group", "ServiceAccount"):
            group = "" if kind == "ServiceAccount" else RBAC
            causes += _among(subject.get("apiGroup"), (group,), f"{path}.apiGroup")
        causes += _among(kind, ("ServiceAccount", "User", "Group"), f"{path}.kind")
        if kind == "ServiceAccount" and not namespaced and not subject.get("namespace"):
            causes.append(_required(f"{path}.namespace"))
    if old is not None and old.get("roleRef") != reference:
        why = f"Invalid value: {encode(reference).decode()}: field is immutable"
        causes.append(Cause("FieldValueInvalid", why, "roleRef"))
    return causes


def _required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", "Required value" + (f": {why}" if why else ""), field)


def _among(value: Any, known: tuple[str, ...], field: str) -> list[Cause]:
    """A complaint unless the text, empty if absent, is one of the known ones."""
    if (value or "") in known:
        return []
    listed = ", ".join(f'"{k}"' for k in known)
    why = f'Unsupported value: "{value or ""}": supported values: {listed}'
    return [Cause("FieldValueNotSupported", why, field)]
