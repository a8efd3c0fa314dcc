"""What KServe makes of a component in Standard mode: Deployment, Service, HPA or ScaledObject, Ingress."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from clients.embedded.apiserver.objects import Json, decode, encode
from clients.embedded.controllers.kserve_names import (
    COMPONENT_LABEL,
    CONTAINER,
    ISVC_LABEL,
    SOURCE_URI,
)
from clients.embedded.controllers.kserve_spec import Component
from clients.embedded.controllers.owned_pods import owner_reference

__all__ = ["DOMAIN", "deployment", "hpa", "ingress", "inject_storage", "scaled_object", "service"]

DOMAIN = "example.com"
_PORT = 8080
_NOT_COPIED = (
    "autoscaling.knative.dev/min-scale",
    "autoscaling.knative.dev/max-scale",
    SOURCE_URI,
    "kubectl.kubernetes.io/last-applied-configuration",
    "modelFormat",
)
_RUNS = (
    "minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "scaleMetricType", "autoScaling",
    "containerConcurrency", "timeout", "canaryTrafficPercent", "logger", "batcher", "labels", "annotations",
    "deploymentStrategy", "model", "workerSpec",
)  # fmt: skip
"""Fields of a component that are not its pod's."""

Runtime = Callable[[Json], "Json | None"]
"""A model → the serving runtime's spec that runs it, if there is one."""


def _meta(obj: Json, component: Component, name: str) -> Json:
    """Labels and annotations of the InferenceService go to all that is made of it, pods included."""
    meta = obj["metadata"]
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k not in _NOT_COPIED}
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _NOT_COPIED}
    labels |= component.spec.get("labels") or {}
    annotations |= component.spec.get("annotations") or {}
    labels |= {
        ISVC_LABEL: meta["name"],
        COMPONENT_LABEL: component.kind,
        "app": f"isvc.{component.name}",
    }
    return {
        "name": name,
        "namespace": meta["namespace"],
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [owner_reference(obj)],
    }


def _selector(component: Component) -> dict[str, str]:
    return {"app": f"isvc.{component.name}"}


def deployment(obj: Json, component: Component, runtime: Runtime) -> Json | None:
    """The Deployment, without a count; None where no serving runtime takes the model."""
    meta = _meta(obj, component, component.name)
    template_meta = {"labels": dict(meta["labels"]), "annotations": dict(meta["annotations"])}
    pod: Json = decode(encode({k: v for k, v in component.spec.items() if k not in _RUNS}))
    model = component.model
    if model is not None:
        found = runtime(model)
        if found is None:
            return None
        pod = _from_runtime(obj, model, found, pod)
        if model.get("storageUri"):
            template_meta["annotations"][SOURCE_URI] = model["storageUri"]
    containers = pod.get("containers") or []
    if containers:
        containers[0].setdefault("name", CONTAINER)
        containers[0].setdefault("ports", [{"containerPort": _PORT, "protocol": "TCP", "name": "user-port"}])
        first = containers[0]["ports"][0]["containerPort"]
        probe = {"tcpSocket": {"port": first}, "timeoutSeconds": 1, "periodSeconds": 10}
        containers[0].setdefault("readinessProbe", probe | {"successThreshold": 1, "failureThreshold": 3})
    strategy = component.spec.get("deploymentStrategy") or {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": meta,
        "spec": {
            "selector": {"matchLabels": _selector(component)},
            "template": {"metadata": template_meta, "spec": pod},
            "strategy": strategy,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
    }


def _from_runtime(obj: Json, model: Json, runtime: Json, pod: Json) -> Json:
    made: Json = decode(encode(runtime))
    own = {
        k: v for k, v in made.items() if k in ("volumes", "nodeSelector", "tolerations", "imagePullSecrets")
    }
    containers: list[Json] = made.get("containers") or []
    for container in containers:
        container["args"] = [
            str(a).replace("{{.Name}}", obj["metadata"]["name"]) for a in container.get("args") or ()
        ] + list(model.get("args") or ())
        container["env"] = [*(container.get("env") or ()), *(model.get("env") or ())]
        container["resources"] = model.get("resources") or container.get("resources") or {}
    return {**own, **pod, "containers": containers}


def inject_storage(pod: Json) -> None:
    """What the pod webhook adds for a model in a store: a container that fetches it first."""
    uri = (pod["metadata"].get("annotations") or {}).get(SOURCE_URI)
    if not uri:
        return
    mount = {"name": "kserve-provision-location", "mountPath": "/mnt/models"}
    pod["spec"]["initContainers"] = [
        *(pod["spec"].get("initContainers") or ()),
        {
            "name": "storage-initializer",
            "image": "kserve/storage-initializer:v0.20.0",
            "args": [uri, "/mnt/models"],
            "resources": {
                "requests": {"cpu": "100m", "memory": "100Mi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            },
            "volumeMounts": [mount],
            "terminationMessagePolicy": "FallbackToLogsOnError",
        },
    ]
    volumes = pod["spec"].get("volumes") or ()
    pod["spec"]["volumes"] = [*volumes, {"name": mount["name"], "emptyDir": {}}]
    for container in pod["spec"]["containers"]:
        if container.get("name") == CONTAINER:
            container["volumeMounts"] = [*(container.get("volumeMounts") or ()), {**mount, "readOnly": True}]


def _cluster_address(namespace: str, name: str) -> str:
    """An address that belongs to the name, so that a seed tells the same story."""
    number = zlib.crc32(f"{namespace}/{name}".encode())
    return f"10.97.{number % 256}.{number // 256 % 254 + 1}"


def service(obj: Json, component: Component, port: int) -> Json:
    """The component's Service; ``port`` is its container's."""
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": _meta(obj, component, component.name),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": _cluster_address(obj["metadata"]["namespace"], component.name),
            "selector": _selector(component),
            "ports": [{"name": component.name, "port": 80, "protocol": "TCP", "targetPort": port}],
            "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {}},
    }


def hpa(obj: Json, component: Component) -> Json:
    """The HPA. Its behaviour is always empty, whatever the user wrote."""
    least, most = component.bounds
    return {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": _meta(obj, component, component.name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component.name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": _metrics(component.spec),
            "behavior": {},
        },
    }


def _metrics(spec: Json) -> list[Json]:
    told = (spec.get("autoScaling") or {}).get("metrics")
    if told:
        return [
            {"type": "Resource", "resource": {"name": m["resource"].get("name", "cpu"), "target": _target(m)}}
            for m in told
            if m.get("resource")
        ]
    metric = spec.get("scaleMetric") or "cpu"
    if metric not in ("cpu", "memory"):
        return []
    target = {"type": "Utilization", "averageUtilization": int(spec.get("scaleTarget") or 80)}
    return [{"type": "Resource", "resource": {"name": metric, "target": target}}]


def _target(metric: Json) -> Json:
    target: Json = metric["resource"].get("target") or {}
    if target.get("averageValue") is not None:
        return {"type": "AverageValue", "averageValue": target["averageValue"]}
    return {"type": "Utilization", "averageUtilization": int(target.get("averageUtilization") or 80)}


def scaled_object(obj: Json, component: Component) -> Json:
    """The ScaledObject of the class keda; here the behaviour counts, and the minimum may be 0."""
    spec: Json = {
        "scaleTargetRef": {"name": component.name},
        "minReplicaCount": component.least,
        "maxReplicaCount": max(component.bounds[1], component.least),
        "triggers": _triggers((component.spec.get("autoScaling") or {}).get("metrics") or ()),
    }
    behavior = (component.spec.get("autoScaling") or {}).get("behavior")
    if behavior:
        spec["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": behavior}}
    return {
        "kind": "ScaledObject",
        "apiVersion": "keda.sh/v1alpha1",
        "metadata": _meta(obj, component, component.name),
        "spec": spec,
    }


def _triggers(metrics: list[Json] | tuple[()]) -> list[Json]:
    made: list[Json] = []
    for metric in metrics:
        if metric.get("resource"):
            target = _target(metric)
            value = target.get("averageUtilization", target.get("averageValue"))
            made.append(
                {
                    "type": metric["resource"].get("name", "cpu"),
                    "metricType": target["type"],
                    "metadata": {"value": str(value)},
                }
            )
        elif metric.get("external"):
            source = metric["external"].get("metric") or {}
            threshold = (metric["external"].get("target") or {}).get("value", "")
            made.append(
                {
                    "type": source.get("backend", "prometheus"),
                    "metadata": {
                        "serverAddress": source.get("serverAddress", ""),
                        "query": source.get("query", ""),
                        "threshold": str(threshold),
                    },
                }
            )
    return made or [{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "80"}}]


def ingress(obj: Json, found: list[Component]) -> Json:
    """The way in from outside: by the service's own host to its first component, and one host for each."""
    meta = obj["metadata"]
    entry = next((c for c in found if c.kind == "transformer"), found[0])
    hosts = [(f"{meta['name']}-{meta['namespace']}.{DOMAIN}", entry.name)]
    hosts += [(f"{c.name}-{meta['namespace']}.{DOMAIN}", c.name) for c in found]
    return {
        "kind": "Ingress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "ownerReferences": [owner_reference(obj)],
        },
        "spec": {
            "ingressClassName": "nginx",
            "rules": [
                {
                    "host": host,
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": name, "port": {"number": 80}}},
                            }
                        ]
                    },
                }
                for host, name in hosts
            ],
        },
        "status": {"loadBalancer": {}},
    }
