"""What the API server fills into a new pod: service account, volumes, tolerations, policies."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.quantity import requests_of

__all__ = ["with_pod_defaults"]

_TOKEN_MOUNT = {
    "name": "kube-api-access",
    "readOnly": True,
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
}
_TOKEN_VOLUME = {
    "name": "kube-api-access",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
        "defaultMode": 420,
    },
}
_TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{state}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for state in ("not-ready", "unreachable")
]


def with_pod_defaults(pod: Json) -> Json:
    """Completes ``pod`` in place, and returns it."""
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for container in containers:
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("resources", {})
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), _TOKEN_MOUNT]
    spec["volumes"] = [*(spec.get("volumes") or ()), _TOKEN_VOLUME]
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("priority", 0)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *_TOLERATIONS]
    pod.setdefault("status", {"phase": "Pending", "qosClass": _quality(containers)})
    return pod


def _quality(containers: list[Json]) -> str:
    """The pod's QoS class: what it asks for beside what it is limited to."""
    if not any(requests_of(c) for c in containers):
        return "BestEffort"
    for container in containers:
        resources = container["resources"]
        limits = resources.get("limits") or {}
        requests = {**limits, **(resources.get("requests") or {})}
        for name in ("cpu", "memory"):
            if name not in limits or requests[name] != limits[name]:
                return "Burstable"
    return "Guaranteed"
