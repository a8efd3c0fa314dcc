"""Flat rows of what the Kubernetes API says: only the fields that are shown or derived from.

A pod's JSON is some 8 KB, its row 0.6 KB. Rows are not frozen only because building a frozen struct of
interned strings costs more; nobody but the decoder and the index writes to them. Times are UTC seconds.
"""

from __future__ import annotations

from msgspec import Struct

from clients.kube.pod_labels import NO_LABELS, PodLabels
from clients.serving.placement import Placement

__all__ = [
    "ContainerRow",
    "EndpointSliceRow",
    "EventRow",
    "ModelServingRow",
    "NodeRow",
    "OwnerRow",
    "PodGroupRow",
    "PodRow",
    "RoleRow",
]


class OwnerRow(Struct, gc=False):
    """The controlling owner reference."""

    kind: str
    name: str
    uid: str
    group: str = ""


class ContainerRow(Struct, gc=False):
    """One container's state; init containers have ``init`` set."""

    name: str
    init: bool = False
    ready: bool = False
    started: bool | None = None
    restarts: int = 0
    state: str = ""
    """waiting, running, terminated, or empty."""
    reason: str | None = None
    """Of the waiting or terminated state."""
    message: str | None = None
    image: str | None = None
    exit_code: int | None = None
    last_reason: str | None = None
    """Of the last termination: OOMKilled, Error."""
    last_message: str | None = None
    last_exit_code: int | None = None
    started_at: float | None = None


class PodRow(Struct, gc=False):
    """A pod. Pods of no workload keep only uid, node and GPU request: they hold GPUs too."""

    uid: str
    namespace: str
    name: str
    node: str | None
    phase: str
    ready: bool
    gpus: int
    owner: OwnerRow | None = None
    created: float | None = None
    deleted: float | None = None
    """deletionTimestamp: present means it is terminating."""
    grace: float | None = None
    """deletionGracePeriodSeconds: ``deleted - grace`` is when somebody asked for the deletion."""
    finalizers: tuple[str, ...] = ()
    labels: PodLabels = NO_LABELS
    deletion_cost: int = 0
    containers: tuple[ContainerRow, ...] = ()
    scheduled: bool | None = None
    scheduled_reason: str | None = None
    scheduled_message: str | None = None
    scheduled_at: float | None = None
    ready_at: float | None = None
    """lastTransitionTime of the Ready condition."""
    initialized: bool | None = None
    started: float | None = None
    status_reason: str | None = None
    status_message: str | None = None
    resource_version: str = ""
    seq: int = 0
    """Arrival order of the first sight of this uid; written by the index."""
    index: int | None = None
    """0 is the entry pod of its role replica, 1… are workers; written by the index."""
    term_seq: int = 0
    """Arrival order of the first sight of its termination; 0 while it lives."""


class NodeRow(Struct):
    """A node, for what fits on it."""

    uid: str
    name: str
    gpus: int
    """Allocatable GPUs (all of ``nvidia.com/gpu`` and the names of other vendors that are configured)."""
    ready: bool
    unschedulable: bool = False
    labels: dict[str, str] = {}
    taints: tuple[tuple[str, str, str], ...] = ()
    """(key, value, effect)"""
    pods: int | None = None
    """Allocatable pods."""


class RoleRow(Struct):
    """One entry of ``spec.template.roles``."""

    name: str
    index: int
    """Its place in the list: the JSON Patch path needs it."""
    replicas: int
    """1 where the field is absent."""
    workers: int
    has_worker_template: bool = False
    max_unavailable: str | None = None
    """int or percentage, as text."""
    partition: str | None = None
    gpus_entry: int = 0
    gpus_worker: int = 0
    placement: Placement = Placement()
    worker_placement: Placement = Placement()
    startup_probe: bool = False
    replicas_present: bool = True
    """Whether the field is there at all: a JSON Patch ``test`` on an absent field fails."""


class ModelServingRow(Struct):
    """A Kthena ModelServing."""

    uid: str
    namespace: str
    name: str
    resource_version: str
    generation: int | None
    api_version: str
    created: float | None
    deleted: float | None
    replicas: int
    """Desired groups; 1 where the field is absent."""
    roles: tuple[RoleRow, ...]
    scheduler: str = "volcano"
    recovery_policy: str = "RoleRecreate"
    rollout_type: str = "ServingGroupRollingUpdate"
    max_unavailable: str | None = None
    partition: str | None = None
    min_role_replicas: tuple[tuple[str, int], ...] = ()
    gang: bool = False
    owner: OwnerRow | None = None
    labels: dict[str, str] = {}
    observed_generation: int | None = None
    status_replicas: int | None = None
    status_available: int | None = None
    status_updated: int | None = None
    current_revision: str | None = None
    update_revision: str | None = None
    conditions: tuple[tuple[str, str, str, str], ...] = ()
    """(type, status, reason, message). Reason and message stay behind when a condition turns False."""
    replicas_manager: str | None = None
    """The field manager that owns ``spec.replicas``, by ``managedFields``; newest if several."""
    roles_manager: str | None = None
    replicas_present: bool = True


class PodGroupRow(Struct):
    """A Volcano PodGroup: one per ServingGroup, same name."""

    uid: str
    namespace: str
    name: str
    phase: str
    min_member: int | None = None
    owner: OwnerRow | None = None
    deleted: float | None = None
    reason: str | None = None
    message: str | None = None
    """Of the newest ``Unschedulable`` condition."""


class EventRow(Struct):
    """A Kubernetes Event: a hint with a time, never state."""

    uid: str
    namespace: str
    kind: str
    """Of the involved object."""
    name: str
    object_uid: str | None
    reason: str
    message: str
    type: str
    at: float | None
    """Newest of lastTimestamp, eventTime, series, creation."""
    count: int = 1
    source: str | None = None


class EndpointSliceRow(Struct):
    """How many endpoints of a service are in rotation."""

    uid: str
    namespace: str
    name: str
    service: str
    ready: int
    total: int
    pods: tuple[str, ...] = ()
    """Names of the pods behind the endpoints."""
    port: int | None = None
