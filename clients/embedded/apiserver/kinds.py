"""What the built-in kinds need beyond storage: a few defaults, and the mistakes that are refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from clients.embedded.apiserver.errors import Cause
from clients.embedded.apiserver.objects import Json, at_path
from clients.embedded.apiserver.registry import Resource
from clients.embedded.apiserver.schema import schema_fault

__all__ = ["fill_kind_defaults", "kind_causes", "kind_prepare_create"]


def _pod_spec_defaults(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        if isinstance(container, dict):
            container.setdefault("resources", {})
            container.setdefault("imagePullPolicy", "IfNotPresent")
            container.setdefault("terminationMessagePath", "/dev/termination-log")
            container.setdefault("terminationMessagePolicy", "File")


def _pod(obj: Json) -> None:
    if isinstance(obj.get("spec"), dict):
        _pod_spec_defaults(obj["spec"])


def _replicated(obj: Json) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        spec.setdefault("replicas", 1)
        inner = at_path(spec, ("template", "spec"))
        if isinstance(inner, dict):
            _pod_spec_defaults(inner)


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


def _autoscaler(obj: Json) -> None:
    if isinstance(obj.get("spec"), dict):
        obj["spec"].setdefault("minReplicas", 1)


_DEFAULTS: dict[str, Callable[[Json], None]] = {
    "pods": _pod,
    "services": _service,
    "deployments.apps": _replicated,
    "statefulsets.apps": _replicated,
    "replicasets.apps": _replicated,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
}


def fill_kind_defaults(definition: Resource, obj: Json) -> None:
    """Fills in what the real server would, for the fields that clients look at."""
    fill = _DEFAULTS.get(definition.key)
    if fill is not None:
        fill(obj)


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
    elif definition.status:
        obj["status"] = {}


def kind_causes(definition: Resource, obj: Json) -> list[Cause]:
    """What is wrong with an object of a built-in kind."""
    if definition.key == "pods":
        return _containers(obj.get("spec"), "spec")
    if definition.key in ("deployments.apps", "statefulsets.apps", "replicasets.apps"):
        return _workload(obj)
    if definition.key == "horizontalpodautoscalers.autoscaling":
        return _bounds(obj)
    if definition.key == "events":
        return _event(obj)
    if definition.key == "customresourcedefinitions.apiextensions.k8s.io":
        return _definition(obj)
    return []


def _containers(spec: Any, path: str) -> list[Cause]:
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not containers or not isinstance(containers, list):
        return [Cause("FieldValueRequired", "Required value", f"{path}.containers")]
    causes = []
    for index, container in enumerate(containers):
        for name in ("name", "image"):
            if not isinstance(container, dict) or not container.get(name):
                causes.append(
                    Cause("FieldValueRequired", "Required value", f"{path}.containers[{index}].{name}")
                )
    return causes


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
        why = "Invalid value: `selector` does not match template `labels`"
        causes.append(Cause("FieldValueInvalid", why, "spec.template.metadata.labels"))
    return causes + _containers(at_path(spec, ("template", "spec")), "spec.template.spec")


def _bounds(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    if not at_path(spec, ("scaleTargetRef", "name")):
        causes.append(Cause("FieldValueRequired", "Required value", "spec.scaleTargetRef.name"))
    most = spec.get("maxReplicas") or 0
    if most < 1:
        why = f"Invalid value: {most}: must be greater than 0"
        causes.append(Cause("FieldValueInvalid", why, "spec.maxReplicas"))
    elif most < (spec.get("minReplicas") or 0):
        why = f"Invalid value: {most}: must be greater than or equal to `minReplicas`"
        causes.append(Cause("FieldValueInvalid", why, "spec.maxReplicas"))
    return causes


def _event(obj: Json) -> list[Cause]:
    about = obj.get("involvedObject") or {}
    here = obj["metadata"].get("namespace")
    if about.get("namespace") and about["namespace"] != here:
        why = f'Invalid value: "{about["namespace"]}": does not match event.namespace'
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
