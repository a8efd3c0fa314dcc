"""Kthena ModelServings: what is read of them, and the truth derived from it.

The API does not carry the states of ServingGroups and role replicas; they live in the controller's memory.
They are derived here from the ModelServing, its pods, PodGroups and events, the last value, and the time.
"""

from __future__ import annotations

from clients.kube.kthena_index import ServingIndex, derive
from clients.kube.kthena_names import serving_of
from clients.kube.resources import ResourceSpec
from clients.kube.shared_watches import ENDPOINT_SLICES, EVENTS, NODES, PODS

__all__ = ["MODEL_SERVINGS", "POD_GROUPS", "SYSTEM", "ServingIndex", "derive", "serving_of", "watches"]

SYSTEM = "kthena"
"""The system part of every ModelServing's ``WorkloadKey``."""

MODEL_SERVINGS = ResourceSpec(
    "ms", "workload.serving.volcano.sh", "modelservings", "ModelServing", ("v1alpha1",), required=True
)
POD_GROUPS = ResourceSpec("podgroups", "scheduling.volcano.sh", "podgroups", "PodGroup", ("v1beta1",))
"""Volcano's; absent where ModelServings use another scheduler."""


def watches() -> tuple[ResourceSpec, ...]:
    """Everything that deriving a ModelServing reads."""
    return (MODEL_SERVINGS, PODS, POD_GROUPS, NODES, EVENTS, ENDPOINT_SLICES)
