"""The parts of Kubernetes objects that are decoded, as they stand in the JSON.

Every field has a default and may be null: which fields are there depends on the server's version and on
who wrote the object. What is not named here is skipped without being built.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, field

from clients.kube.decode_gpus import ContainerNeeds, Quantities
from clients.kube.decode_placement import PlacedSpec
from clients.kube.pod_labels import PodLabels

__all__ = [
    "Condition",
    "ContainerStatus",
    "EndpointSliceShape",
    "EventShape",
    "ManagedFields",
    "Meta",
    "ModelServingShape",
    "NodeShape",
    "OwnedMeta",
    "OwnerReference",
    "PodGroupShape",
    "PodMeta",
    "PodShape",
    "PodStatus",
    "PodTemplate",
    "Reference",
    "RollingUpdate",
    "Rollout",
    "ServingRole",
    "ServingSpec",
    "ServingTemplate",
    "TemplateSpec",
]


class OwnerReference(Struct, rename="camel", gc=False):
    """An entry of ``metadata.ownerReferences``."""

    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    api_version: str | None = None
    controller: bool | None = None


class _Annotations(Struct, gc=False):
    deletion_cost: str | None = field(default=None, name="controller.kubernetes.io/pod-deletion-cost")


class _FieldsTemplate(Struct):
    roles: Raw | UnsetType = field(default=UNSET, name="f:roles")


class _FieldsSpec(Struct):
    replicas: Raw | UnsetType = field(default=UNSET, name="f:replicas")
    template: _FieldsTemplate | None = field(default=None, name="f:template")


class _Fields(Struct):
    spec: _FieldsSpec | None = field(default=None, name="f:spec")


class ManagedFields(Struct, rename="camel"):
    """An entry of ``metadata.managedFields``, reduced to who owns the counts."""

    manager: str | None = None
    time: str | None = None
    fields: _Fields | None = field(default=None, name="fieldsV1")


class Meta(Struct, rename="camel"):
    """Metadata of any object; ``managedFields`` is decoded only for objects whose counts people set."""

    uid: str | None = None
    name: str | None = None
    namespace: str | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str | None] | None = None
    annotations: _Annotations | None = None
    owner_references: list[OwnerReference] | None = None
    finalizers: list[str] | None = None
    generation: int | None = None


class OwnedMeta(Meta, rename="camel"):
    """Metadata together with who owns which field."""

    managed_fields: list[ManagedFields] | None = None


class Condition(Struct, rename="camel", gc=False):
    """A status condition of any object."""

    type: str | None = None
    status: str | None = None
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class _Waiting(Struct, gc=False):
    reason: str | None = None
    message: str | None = None


class _Running(Struct, rename="camel", gc=False):
    started_at: str | None = None


class _Terminated(Struct, rename="camel", gc=False):
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None
    started_at: str | None = None


class _State(Struct):
    running: _Running | None = None
    waiting: _Waiting | None = None
    terminated: _Terminated | None = None


class ContainerStatus(Struct, rename="camel"):
    """What the kubelet says of one container."""

    name: str | None = None
    ready: bool | None = None
    started: bool | None = None
    restart_count: int | None = None
    image: str | None = None
    state: _State | None = None
    last_state: _State | None = None


class _PodSpec(Struct, rename="camel"):
    node_name: str | None = None
    containers: list[ContainerNeeds] | None = None
    init_containers: list[ContainerNeeds] | None = None


class PodStatus(Struct, rename="camel"):
    """What the kubelet and the scheduler say of a pod."""

    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    start_time: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class PodMeta(Struct, rename="camel", gc=False):
    """Metadata of a pod. Owners are left as bytes: they never change and are many pods' alike."""

    uid: str | None = None
    name: str | None = None
    namespace: str | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: PodLabels | None = None
    annotations: _Annotations | None = None
    owner_references: Raw = Raw(b"null")
    finalizers: list[str] | None = None


class PodShape(Struct):
    """A core/v1 Pod."""

    metadata: PodMeta | None = None
    spec: _PodSpec | None = None
    status: PodStatus | None = None


class _Taint(Struct, gc=False):
    key: str | None = None
    value: str | None = None
    effect: str | None = None


class _NodeSpec(Struct):
    unschedulable: bool | None = None
    taints: list[_Taint] | None = None


class _Allocatable(Quantities):  # type: ignore[misc]
    pods: str | int | None = None


class _NodeStatus(Struct):
    allocatable: _Allocatable | None = None
    conditions: list[Condition] | None = None


class NodeShape(Struct):
    """A core/v1 Node."""

    metadata: Meta | None = None
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None


class TemplateSpec(PlacedSpec, rename="camel"):
    """``spec`` of a pod template."""

    containers: list[ContainerNeeds] | None = None
    init_containers: list[ContainerNeeds] | None = None


class PodTemplate(Struct):
    """A pod template, as far as it says which nodes and GPUs its pods need."""

    spec: TemplateSpec | None = None


class ServingRole(Struct, rename="camel"):
    """An entry of ``spec.template.roles``."""

    name: str | None = None
    replicas: int | UnsetType | None = UNSET
    worker_replicas: int | None = None
    entry_template: PodTemplate | None = None
    worker_template: PodTemplate | None = None
    max_unavailable: str | int | None = None
    partition: str | int | None = None


class _Gang(Struct, rename="camel"):
    min_role_replicas: dict[str, int | None] | None = None


class ServingTemplate(Struct, rename="camel"):
    """``spec.template`` of a ModelServing."""

    roles: list[ServingRole] | None = None
    gang_policy: _Gang | None = None


class RollingUpdate(Struct, rename="camel"):
    """``spec.rolloutStrategy.rollingUpdateConfiguration``."""

    max_unavailable: str | int | None = None
    partition: str | int | None = None


class Rollout(Struct, rename="camel"):
    """``spec.rolloutStrategy``."""

    type: str | None = None
    rolling_update_configuration: RollingUpdate | None = None


class ServingSpec(Struct, rename="camel"):
    """``spec`` of a ModelServing."""

    replicas: int | UnsetType | None = UNSET
    scheduler_name: str | None = None
    recovery_policy: str | None = None
    rollout_strategy: Rollout | None = None
    template: ServingTemplate | None = None


class _ServingStatus(Struct, rename="camel"):
    observed_generation: int | None = None
    replicas: int | None = None
    available_replicas: int | None = None
    updated_replicas: int | None = None
    current_revision: str | None = None
    update_revision: str | None = None
    conditions: list[Condition] | None = None


class ModelServingShape(Struct, rename="camel"):
    """A Kthena ModelServing."""

    api_version: str | None = None
    metadata: OwnedMeta | None = None
    spec: ServingSpec | None = None
    status: _ServingStatus | None = None


class _PodGroupSpec(Struct, rename="camel"):
    min_member: int | None = None


class _PodGroupStatus(Struct):
    phase: str | None = None
    conditions: list[Condition] | None = None


class PodGroupShape(Struct):
    """A Volcano PodGroup."""

    metadata: Meta | None = None
    spec: _PodGroupSpec | None = None
    status: _PodGroupStatus | None = None


class Reference(Struct, gc=False):
    """A reference to an object, as events and endpoints carry it."""

    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    uid: str | None = None


class _Series(Struct, rename="camel", gc=False):
    count: int | None = None
    last_observed_time: str | None = None


class _EventSource(Struct, gc=False):
    component: str | None = None


class EventShape(Struct, rename="camel"):
    """Both of core/v1 and of events.k8s.io/v1, which has ``regarding``, ``note`` and ``deprecated…``."""

    metadata: Meta | None = None
    involved_object: Reference | None = None
    regarding: Reference | None = None
    reason: str | None = None
    message: str | None = None
    note: str | None = None
    type: str | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    deprecated_last_timestamp: str | None = None
    event_time: str | None = None
    count: int | None = None
    deprecated_count: int | None = None
    series: _Series | None = None
    source: _EventSource | None = None
    deprecated_source: _EventSource | None = None
    reporting_component: str | None = None
    reporting_controller: str | None = None


class _EndpointConditions(Struct, gc=False):
    ready: bool | None = None


class _Endpoint(Struct, rename="camel"):
    conditions: _EndpointConditions | None = None
    target_ref: Reference | None = None
    addresses: list[str] | None = None


class _EndpointPort(Struct, gc=False):
    port: int | None = None


class EndpointSliceShape(Struct):
    """A discovery.k8s.io/v1 EndpointSlice."""

    metadata: Meta | None = None
    endpoints: list[_Endpoint] | None = None
    ports: list[_EndpointPort] | None = None
