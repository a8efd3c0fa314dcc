"""What Kthena creates for a ModelServing: pods, headless services, PodGroups, ControllerRevisions."""

from __future__ import annotations

from fractions import Fraction

from clients.embedded.apiserver.objects import Json, decode, encode
from clients.embedded.controllers.kthena_labels import (
    API_VERSION,
    ENTRY,
    GROUP,
    NAME,
    POD_GROUP_ANNOTATION,
    REVISION,
    ROLE,
    ROLE_ID,
    TASK_ANNOTATION,
    TEMPLATE_HASH,
)
from clients.embedded.controllers.kthena_spec import RoleSpec, ServingSpec
from clients.embedded.quantity import add_resources, format_quantity, requests_of

__all__ = [
    "controller_revision",
    "controller_revision_name",
    "headless_service",
    "pod",
    "pod_group",
    "pod_group_spec",
    "pod_name",
]


def _owner(serving: ServingSpec, *, block: bool = True) -> Json:
    owner: Json = {
        "apiVersion": API_VERSION,
        "kind": "ModelServing",
        "name": serving.name,
        "uid": serving.uid,
        "controller": True,
    }
    if block:
        owner["blockOwnerDeletion"] = True
    return owner


def pod_name(group: str, replica: str, index: int) -> str:
    """``<group>-<role id>-<index>``: 0 is the entry pod, workers follow."""
    return f"{group}-{replica}-{index}"


def pod(
    serving: ServingSpec,
    role: RoleSpec,
    group: str,
    replica: str,
    index: int,
    revision: str,
    template_hash: str,
) -> Json:
    """The entry pod (index 0) or a worker pod of a role replica."""
    template = role.raw.get("entryTemplate" if index == 0 else "workerTemplate") or {}
    own = template.get("metadata") or {}
    labels = {
        NAME: serving.name,
        GROUP: group,
        ROLE: role.name,
        ROLE_ID: replica,
        REVISION: revision,
        TEMPLATE_HASH: template_hash,
    }
    if index == 0:
        labels[ENTRY] = "true"
    # The template's labels come last and may overwrite Kthena's own.
    labels.update(own.get("labels") or {})
    annotations = dict(own.get("annotations") or {})
    if serving.scheduler == "volcano":
        annotations[POD_GROUP_ANNOTATION] = group
        annotations[TASK_ANNOTATION] = replica
    # Through JSON: several times faster than copy.deepcopy.
    spec: Json = decode(encode(template.get("spec") or {}))
    spec["schedulerName"] = serving.scheduler
    injected = [
        {"name": "GROUP_SIZE", "value": str(role.pods)},
        {"name": "ENTRY_ADDRESS", "value": f"{pod_name(group, replica, 0)}.{serving.namespace}"},
        {"name": "WORKER_INDEX", "value": str(index)},
    ]
    names = {variable["name"] for variable in injected}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        kept = [v for v in container.get("env") or () if v.get("name") not in names]
        container["env"] = kept + injected
    metadata: Json = {
        "name": pod_name(group, replica, index),
        "namespace": serving.namespace,
        "labels": labels,
        "ownerReferences": [_owner(serving)],
    }
    if annotations:
        metadata["annotations"] = annotations
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}


def headless_service(serving: ServingSpec, role: RoleSpec, group: str, replica: str) -> Json:
    """The service by which workers find their entry pod; it bears that pod's name."""
    labels = {NAME: serving.name, GROUP: group, ROLE: role.name, ROLE_ID: replica}
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": pod_name(group, replica, 0),
            "namespace": serving.namespace,
            "labels": labels,
            "ownerReferences": [_owner(serving)],
        },
        "spec": {
            "clusterIP": "None",
            "clusterIPs": ["None"],
            "type": "ClusterIP",
            "publishNotReadyAddresses": True,
            "selector": {GROUP: group, ROLE: role.name, ROLE_ID: replica, ENTRY: "true"},
        },
        "status": {"loadBalancer": {}},
    }


def pod_group_spec(serving: ServingSpec) -> Json:
    """What a group's gang must get at once; without a gang policy that is all of its pods."""
    members = 0
    resources: dict[str, Fraction] = {}
    subgroups: list[Json] = []
    for role in serving.roles:
        least = min(serving.min_role_replicas.get(role.name, role.replicas), role.replicas)
        members += role.pods * least
        _add_pod(resources, role.raw.get("entryTemplate"), least)
        if role.has_worker_template:
            _add_pod(resources, role.raw.get("workerTemplate"), least * role.workers)
        subgroup: Json = {
            "name": role.name,
            "labelSelector": {"matchLabels": {NAME: serving.name, ROLE: role.name}},
            "matchLabelKeys": [ROLE_ID],
            "subGroupSize": role.pods,
            "minSubGroups": least,
        }
        if serving.topology.get("rolePolicy"):
            subgroup["networkTopology"] = serving.topology["rolePolicy"]
        subgroups.append(subgroup)
    spec: Json = {
        "minMember": members,
        "minResources": {name: format_quantity(amount) for name, amount in sorted(resources.items())},
        "subGroupPolicy": subgroups,
        "queue": serving.queue or "default",
    }
    if serving.topology.get("groupPolicy"):
        spec["networkTopology"] = serving.topology["groupPolicy"]
    return spec


def _add_pod(total: dict[str, Fraction], template: Json | None, times: int) -> None:
    for container in ((template or {}).get("spec") or {}).get("containers") or ():
        add_resources(total, requests_of(container), times)


def pod_group(serving: ServingSpec, group: str) -> Json:
    """A group's PodGroup: same name; its owner does not block."""
    return {
        "kind": "PodGroup",
        "apiVersion": "scheduling.volcano.sh/v1beta1",
        "metadata": {
            "name": group,
            "namespace": serving.namespace,
            "labels": {NAME: serving.name, GROUP: group},
            "annotations": {POD_GROUP_ANNOTATION: group},
            "ownerReferences": [_owner(serving, block=False)],
        },
        "spec": pod_group_spec(serving),
        "status": {"phase": "Pending"},
    }


def controller_revision_name(serving: str, revision: str) -> str:
    """``<serving>-<revision>``"""
    return f"{serving}-{revision}"


def controller_revision(serving: ServingSpec) -> Json:
    """The roles of the present template, kept under its revision."""
    return {
        "kind": "ControllerRevision",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": controller_revision_name(serving.name, serving.revision),
            "namespace": serving.namespace,
            "labels": {NAME: serving.name, REVISION: serving.revision},
            "ownerReferences": [_owner(serving)],
        },
        "revision": 1,
        "data": {"data": [role.raw for role in serving.roles]},
    }
