"""Labels, annotations and names that Kthena puts on what it creates (kthena.md section 3)."""

from __future__ import annotations

__all__ = [
    "API_VERSION",
    "DELETION_COST",
    "ENTRY",
    "GROUP",
    "MANAGER",
    "NAME",
    "POD_GROUP_ANNOTATION",
    "REVISION",
    "ROLE",
    "ROLE_ID",
    "TASK_ANNOTATION",
    "TEMPLATE_HASH",
]

API_VERSION = "workload.serving.volcano.sh/v1alpha1"
MANAGER = "kthena-controller-manager"

NAME = "modelserving.volcano.sh/name"
GROUP = "modelserving.volcano.sh/group-name"
ROLE = "modelserving.volcano.sh/role"
ROLE_ID = "modelserving.volcano.sh/role-id"
ENTRY = "modelserving.volcano.sh/entry"
REVISION = "modelserving.volcano.sh/revision"
TEMPLATE_HASH = "modelserving.volcano.sh/role-template-hash"

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
POD_GROUP_ANNOTATION = "scheduling.k8s.io/group-name"
TASK_ANNOTATION = "volcano.sh/task-spec"
