"""The built-in kinds: what a plain Kubernetes serves, as far as consoles and kubectl ask for it."""

from __future__ import annotations

from clients.embedded.apiserver.registry import Registry, Resource, Scale

__all__ = ["standard_registry"]

_SELECTOR = Scale(selector=("spec", "selector"))
_APPS = ("all",)

EVENT_FIELDS: dict[str, tuple[str, ...]] = {
    "involvedObject.kind": ("involvedObject", "kind"),
    "involvedObject.namespace": ("involvedObject", "namespace"),
    "involvedObject.name": ("involvedObject", "name"),
    "involvedObject.uid": ("involvedObject", "uid"),
    "involvedObject.apiVersion": ("involvedObject", "apiVersion"),
    "involvedObject.resourceVersion": ("involvedObject", "resourceVersion"),
    "involvedObject.fieldPath": ("involvedObject", "fieldPath"),
    "reason": ("reason",),
    "reportingComponent": ("reportingComponent",),
    "source": ("source", "component"),
    "type": ("type",),
}

_EVENT_RENAMED = {"reportingComponent": "reportingController", "source": "deprecatedSource"}

# In the order of EVENT_FIELDS: records keep their values by place.
EVENTS_VIEW_FIELDS: dict[str, tuple[str, ...]] = {
    _EVENT_RENAMED.get(name, name.replace("involvedObject.", "regarding.")): path
    for name, path in EVENT_FIELDS.items()
}

POD_FIELDS: dict[str, tuple[str, ...]] = {
    "spec.nodeName": ("spec", "nodeName"),
    "spec.restartPolicy": ("spec", "restartPolicy"),
    "spec.schedulerName": ("spec", "schedulerName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "status.phase": ("status", "phase"),
    "status.podIP": ("status", "podIP"),
}


def _core() -> list[Resource]:
    return [
        Resource(
            group="",
            versions=("v1",),
            plural="namespaces",
            kind="Namespace",
            namespaced=False,
            short_names=("ns",),
            status=True,
            fields={"status.phase": ("status", "phase")},
        ),
        Resource(
            group="",
            versions=("v1",),
            plural="nodes",
            kind="Node",
            namespaced=False,
            short_names=("no",),
            status=True,
            fields={"spec.unschedulable": ("spec", "unschedulable")},
        ),
        Resource(
            group="",
            versions=("v1",),
            plural="pods",
            kind="Pod",
            short_names=("po",),
            categories=_APPS,
            status=True,
            fields=POD_FIELDS,
            generation=True,
        ),
        Resource(
            group="",
            versions=("v1",),
            plural="services",
            kind="Service",
            short_names=("svc",),
            categories=_APPS,
            status=True,
        ),
        Resource(
            group="",
            versions=("v1",),
            plural="events",
            kind="Event",
            short_names=("ev",),
            fields=EVENT_FIELDS,
        ),
        Resource(
            group="",
            versions=("v1",),
            plural="configmaps",
            kind="ConfigMap",
            short_names=("cm",),
            tracked=True,
        ),
        Resource(group="", versions=("v1",), plural="secrets", kind="Secret", fields={"type": ("type",)}),
        Resource(
            group="", versions=("v1",), plural="serviceaccounts", kind="ServiceAccount", short_names=("sa",)
        ),
        Resource(
            group="",
            versions=("v1",),
            plural="endpoints",
            kind="Endpoints",
            singular="endpoints",
            short_names=("ep",),
        ),
    ]


def _apps() -> list[Resource]:
    return [
        Resource(
            group="apps",
            versions=("v1",),
            plural="deployments",
            kind="Deployment",
            short_names=("deploy",),
            categories=_APPS,
            status=True,
            scale=_SELECTOR,
            generation=True,
            tracked=True,
        ),
        Resource(
            group="apps",
            versions=("v1",),
            plural="statefulsets",
            kind="StatefulSet",
            short_names=("sts",),
            categories=_APPS,
            status=True,
            scale=_SELECTOR,
            generation=True,
            tracked=True,
        ),
        Resource(
            group="apps",
            versions=("v1",),
            plural="replicasets",
            kind="ReplicaSet",
            short_names=("rs",),
            categories=_APPS,
            status=True,
            scale=_SELECTOR,
            generation=True,
            tracked=True,
        ),
        Resource(
            group="apps",
            versions=("v1",),
            plural="daemonsets",
            kind="DaemonSet",
            short_names=("ds",),
            categories=_APPS,
            status=True,
            generation=True,
            tracked=True,
        ),
        Resource(group="apps", versions=("v1",), plural="controllerrevisions", kind="ControllerRevision"),
    ]


def _others() -> list[Resource]:
    return [
        Resource(
            group="autoscaling",
            versions=("v2",),
            plural="horizontalpodautoscalers",
            kind="HorizontalPodAutoscaler",
            short_names=("hpa",),
            categories=_APPS,
            status=True,
            tracked=True,
        ),
        Resource(
            group="networking.k8s.io",
            versions=("v1",),
            plural="ingresses",
            kind="Ingress",
            short_names=("ing",),
            status=True,
            generation=True,
        ),
        Resource(
            group="batch",
            versions=("v1",),
            plural="jobs",
            kind="Job",
            categories=_APPS,
            status=True,
            generation=True,
            tracked=True,
        ),
        Resource(group="coordination.k8s.io", versions=("v1",), plural="leases", kind="Lease"),
        Resource(
            group="discovery.k8s.io",
            versions=("v1",),
            plural="endpointslices",
            kind="EndpointSlice",
            generation=True,
        ),
        Resource(
            group="events.k8s.io",
            versions=("v1",),
            plural="events",
            kind="Event",
            short_names=("ev",),
            fields=EVENTS_VIEW_FIELDS,
            view_of="events",
        ),
        Resource(
            group="authorization.k8s.io",
            versions=("v1",),
            plural="selfsubjectaccessreviews",
            kind="SelfSubjectAccessReview",
            namespaced=False,
            verbs=("create",),
        ),
        Resource(
            group="authorization.k8s.io",
            versions=("v1",),
            plural="selfsubjectrulesreviews",
            kind="SelfSubjectRulesReview",
            namespaced=False,
            verbs=("create",),
        ),
        Resource(
            group="authentication.k8s.io",
            versions=("v1",),
            plural="selfsubjectreviews",
            kind="SelfSubjectReview",
            namespaced=False,
            verbs=("create",),
        ),
        Resource(
            group="apiextensions.k8s.io",
            versions=("v1",),
            plural="customresourcedefinitions",
            kind="CustomResourceDefinition",
            namespaced=False,
            short_names=("crd", "crds"),
            status=True,
            generation=True,
        ),
    ]


def _rbac() -> list[Resource]:
    group = "rbac.authorization.k8s.io"
    return [
        Resource(group=group, versions=("v1",), plural="roles", kind="Role"),
        Resource(group=group, versions=("v1",), plural="rolebindings", kind="RoleBinding"),
        Resource(group=group, versions=("v1",), plural="clusterroles", kind="ClusterRole", namespaced=False),
        Resource(
            group=group,
            versions=("v1",),
            plural="clusterrolebindings",
            kind="ClusterRoleBinding",
            namespaced=False,
        ),
    ]


def standard_registry() -> Registry:
    """A fresh registry of the built-in kinds."""
    return Registry([*_core(), *_apps(), *_others(), *_rbac()])
