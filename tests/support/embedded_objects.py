"""Objects as the tests of the embedded cluster's API create them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

MS = "modelservings.workload.serving.volcano.sh"
MS_PATH = "/apis/workload.serving.volcano.sh/v1alpha1/namespaces/default/modelservings"


def serving(name: str = "qwen", replicas: int = 2) -> Json:
    """A ModelServing of one role."""
    template = {"spec": {"containers": [{"name": "engine", "image": "engine:1"}]}}
    role = {"name": "decode", "workerReplicas": 0, "entryTemplate": template}
    return {
        "apiVersion": "workload.serving.volcano.sh/v1alpha1",
        "kind": "ModelServing",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "template": {"roles": [role]}},
    }


def pod(name: str, *, node: str | None = "n1", owner: Json | None = None, **labels: str) -> Json:
    """A pod, on a node unless it is None, owned by a stored object if one is given."""
    metadata: Json = {"name": name, "namespace": "default", "labels": labels}
    if owner is not None:
        metadata["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    spec: Json = {"containers": [{"name": "engine", "image": "engine:1"}]}
    if node is not None:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Pending"},
    }
