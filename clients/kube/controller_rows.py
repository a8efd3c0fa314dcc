"""Rows of what keeps pods: Deployments, ReplicaSets, StatefulSets, LeaderWorkerSets, InferenceServices.

Only what is shown, derived from, or patched. Times are UTC seconds; ``None`` is not known.
"""

from __future__ import annotations

from msgspec import Struct

from clients.kube.rows import OwnerRow
from clients.serving.placement import Placement

__all__ = [
    "ComponentRow",
    "ControllerRow",
    "InferenceServiceRow",
    "KeeperRow",
    "LeaderWorkerSetRow",
    "TemplateRow",
]


class TemplateRow(Struct, frozen=True, gc=False):
    """What a pod template says of the pods it makes."""

    gpus: int = 0
    placement: Placement = Placement()
    startup_probe: bool = False
    engine: str | None = None
    """The serving engine that its image or command names: ``vllm``, ``sglang``, ``tgi``, ``triton``."""


class KeeperRow(Struct):
    """What all of them have in common."""

    uid: str
    namespace: str
    name: str
    group: str
    kind: str
    resource_version: str = ""
    generation: int | None = None
    created: float | None = None
    deleted: float | None = None
    owner: OwnerRow | None = None
    labels: dict[str, str] = {}
    observed_generation: int | None = None
    conditions: tuple[tuple[str, str, str, str], ...] = ()
    """(type, status, reason, message); the last two stay behind when a condition turns."""


class ControllerRow(KeeperRow):
    """A Deployment, ReplicaSet or StatefulSet (apps/v1)."""

    replicas: int = 1
    replicas_present: bool = True
    replicas_manager: str | None = None
    template: TemplateRow = TemplateRow()
    start: int = 0
    """First ordinal (StatefulSet)."""
    parallel: bool = False
    """podManagementPolicy Parallel (StatefulSet)."""
    paused: bool = False
    partition: int = 0
    """Ordinals below it keep the old template (StatefulSet)."""
    by_hand: bool = False
    """Pods of the old template are replaced only when somebody deletes them (StatefulSet, OnDelete)."""
    service: str | None = None
    """The InferenceService that a Knative revision's Deployment runs for, by its label."""
    revision: str | None = None
    """Deployment and ReplicaSet: the revision annotation. StatefulSet: ``status.updateRevision``, or the
    label that LWS writes, which comes sooner.
    """
    status_replicas: int | None = None
    status_ready: int | None = None
    status_updated: int | None = None

    @property
    def rolling(self) -> bool:
        """Pods of the old template are still to be replaced.

        The controller has to have seen the spec first: until then its counts are of the old one.
        """
        if self.observed_generation != self.generation or self.status_replicas is None or self.by_hand:
            return False
        return (self.status_updated or 0) < self.status_replicas - self.partition


class LeaderWorkerSetRow(KeeperRow):
    """A LeaderWorkerSet: ``replicas`` groups of ``size`` pods each."""

    replicas: int = 1
    replicas_present: bool = True
    replicas_manager: str | None = None
    size: int = 1
    leader: TemplateRow = TemplateRow()
    worker: TemplateRow = TemplateRow()
    status_replicas: int | None = None
    status_ready: int | None = None
    status_updated: int | None = None


class ComponentRow(Struct, frozen=True, gc=False):
    """One of predictor, transformer and explainer."""

    name: str
    minimum: int | None = None
    """``minReplicas``; 1 where absent."""
    maximum: int | None = None
    """``maxReplicas``; ``None`` where absent or 0, and then nothing scales above the minimum."""
    metric: str | None = None
    target: int | None = None
    url: str | None = None
    template: TemplateRow = TemplateRow()
    """Of its own containers; what a serving runtime adds to them is not in here."""


class InferenceServiceRow(KeeperRow):
    """A KServe InferenceService. Its counts stand in the Deployments that it owns."""

    mode: str = "Standard"
    """Effective: ``Standard``, ``Knative`` or ``ModelMesh``."""
    scaler: str = "hpa"
    """``autoscalerClass``: ``hpa``, ``external``, ``keda`` or ``none``; hpa where absent."""
    stopped: bool = False
    multi_node: bool = False
    """It has a workerSpec: any edit of its spec makes every pod anew."""
    components: tuple[ComponentRow, ...] = ()
    url: str | None = None
    model_state: str | None = None
    """``modelStatus.transitionStatus``"""
    failure: str | None = None
    """``modelStatus.lastFailureInfo`` in words."""
    bounds_manager: str | None = None
    """The field manager that owns the predictor's bounds."""
