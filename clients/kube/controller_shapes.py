"""The parts of pod-keeping objects that are decoded, as they stand in the JSON; any field may be missing."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, field

from clients.kube.decode_gpus import ContainerNeeds
from clients.kube.decode_placement import PlacedSpec
from clients.kube.decode_shapes import Condition, OwnerReference

__all__ = [
    "Annotations",
    "Container",
    "ControllerShape",
    "InferenceServiceShape",
    "LeaderWorkerSetShape",
    "Meta",
    "ServiceComponent",
    "ServiceStatus",
    "Status",
    "Template",
]


class Annotations(Struct, gc=False):
    """Those that are read; all others are skipped."""

    revision: str | None = field(default=None, name="deployment.kubernetes.io/revision")
    mode: str | None = field(default=None, name="serving.kserve.io/deploymentMode")
    scaler: str | None = field(default=None, name="serving.kserve.io/autoscalerClass")
    stop: str | None = field(default=None, name="serving.kserve.io/stop")


class _OwnedComponent(Struct):
    minimum: Raw | UnsetType = field(default=UNSET, name="f:minReplicas")
    maximum: Raw | UnsetType = field(default=UNSET, name="f:maxReplicas")


class _OwnedSpec(Struct):
    replicas: Raw | UnsetType = field(default=UNSET, name="f:replicas")
    predictor: _OwnedComponent | None = field(default=None, name="f:predictor")


class _OwnedFields(Struct):
    spec: _OwnedSpec | None = field(default=None, name="f:spec")


class ManagedFields(Struct, rename="camel"):
    """An entry of ``metadata.managedFields``, reduced to who owns the counts."""

    manager: str | None = None
    time: str | None = None
    fields: _OwnedFields | None = field(default=None, name="fieldsV1")


class Meta(Struct, rename="camel"):
    """Metadata of a pod-keeping object."""

    uid: str | None = None
    name: str | None = None
    namespace: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str | None] | None = None
    annotations: Annotations | None = None
    owner_references: list[OwnerReference] | None = None
    managed_fields: list[ManagedFields] | None = None


class Container(ContainerNeeds, rename="camel", gc=False):
    """A container, with what tells its engine."""

    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None


class _PodSpec(PlacedSpec, rename="camel"):
    containers: list[Container] | None = None
    init_containers: list[ContainerNeeds] | None = None


class Template(Struct):
    """A pod template."""

    spec: _PodSpec | None = None


class _Ordinals(Struct, gc=False):
    start: int | None = None


class _RollingUpdate(Struct, gc=False):
    partition: int | None = None


class _UpdateStrategy(Struct, rename="camel"):
    type: str | None = None
    rolling_update: _RollingUpdate | None = None


class _ControllerSpec(Struct, rename="camel"):
    replicas: int | UnsetType | None = UNSET
    template: Template | None = None
    ordinals: _Ordinals | None = None
    pod_management_policy: str | None = None
    paused: bool | None = None
    update_strategy: _UpdateStrategy | None = None


class Status(Struct, rename="camel"):
    """Counts and conditions, under the names that all of them use."""

    observed_generation: int | None = None
    replicas: int | None = None
    ready_replicas: int | None = None
    updated_replicas: int | None = None
    update_revision: str | None = None
    conditions: list[Condition] | None = None


class ControllerShape(Struct):
    """A Deployment, ReplicaSet or StatefulSet (apps/v1)."""

    metadata: Meta | None = None
    spec: _ControllerSpec | None = None
    status: Status | None = None


class _LeaderWorkerTemplate(Struct, rename="camel"):
    size: int | None = None
    leader_template: Template | None = None
    worker_template: Template | None = None


class _LeaderWorkerSpec(Struct, rename="camel"):
    replicas: int | UnsetType | None = UNSET
    leader_worker_template: _LeaderWorkerTemplate | None = None


class LeaderWorkerSetShape(Struct):
    """A LeaderWorkerSet (leaderworkerset.x-k8s.io/v1)."""

    metadata: Meta | None = None
    spec: _LeaderWorkerSpec | None = None
    status: Status | None = None


class ServiceComponent(_PodSpec, rename="camel"):
    """predictor, transformer or explainer of an InferenceService: the spec of its pods, and its bounds."""

    model: Container | None = None
    """Runs in a runtime's container, with these resources."""
    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_metric: str | None = None
    scale_target: int | None = None
    worker_spec: dict[str, Raw] | None = None


class _ServiceSpec(Struct):
    predictor: ServiceComponent | None = None
    transformer: ServiceComponent | None = None
    explainer: ServiceComponent | None = None


class _ComponentStatus(Struct):
    url: str | None = None


class _Failure(Struct, rename="camel"):
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None


class _ModelStatus(Struct, rename="camel"):
    transition_status: str | None = None
    last_failure_info: _Failure | None = None


class ServiceStatus(Struct, rename="camel"):
    """``status`` of an InferenceService."""

    url: str | None = None
    deployment_mode: str | None = None
    conditions: list[Condition] | None = None
    components: dict[str, _ComponentStatus | None] | None = None
    model_status: _ModelStatus | None = None


class InferenceServiceShape(Struct):
    """A KServe InferenceService (serving.kserve.io/v1beta1)."""

    metadata: Meta | None = None
    spec: _ServiceSpec | None = None
    status: ServiceStatus | None = None
