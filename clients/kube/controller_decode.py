"""Raw JSON of a pod-keeping object in, its row out; the rules of ``decode`` hold: what is wrong is absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sys import intern
from typing import TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from clients.kube import controller_shapes as shapes
from clients.kube.controller_rows import (
    ComponentRow,
    ControllerRow,
    InferenceServiceRow,
    KeeperRow,
    LeaderWorkerSetRow,
    TemplateRow,
)
from clients.kube.decode import identity, kept_labels, owner_of, read, replicas_of, timestamp
from clients.kube.decode_gpus import gpus_of_pod
from clients.kube.decode_placement import placement_of
from clients.kube.engine_words import engine_in

__all__ = [
    "SHOW_LABEL",
    "deployment",
    "inference_service",
    "leader_worker_set",
    "replica_set",
    "stateful_set",
]

SHOW_LABEL = "servegrid.io/show"
"""Of any value but ``false``: the object is a row of the fleet, whatever its pods run."""

_CONTROLLER = msgspec.json.Decoder(shapes.ControllerShape)
_LWS = msgspec.json.Decoder(shapes.LeaderWorkerSetShape)
_SERVICE = msgspec.json.Decoder(shapes.InferenceServiceShape)

_MODES = {"RawDeployment": "Standard", "Serverless": "Knative"}
"""Names of before KServe 0.15, which its webhook rewrites."""

_REVISION = ("serving.knative.dev", "Revision")
_REVISION_LABEL = "leaderworkerset.sigs.k8s.io/template-revision-hash"
_SERVICE_LABEL = "serving.kserve.io/inferenceservice"

Row = TypeVar("Row", bound=KeeperRow)


def deployment(raw: bytes | msgspec.Raw) -> ControllerRow:
    """An apps/v1 Deployment; raises DecodeFailure without uid or name."""
    return _controller(raw, "Deployment")


def replica_set(raw: bytes | msgspec.Raw) -> ControllerRow:
    """An apps/v1 ReplicaSet; raises DecodeFailure without uid or name."""
    return _controller(raw, "ReplicaSet")


def stateful_set(raw: bytes | msgspec.Raw) -> ControllerRow:
    """An apps/v1 StatefulSet; raises DecodeFailure without uid or name."""
    return _controller(raw, "StatefulSet")


def _base(row: type[Row], meta: shapes.Meta | None, group: str, kind: str) -> Row:
    found, uid, name = identity(meta)
    labels = kept_labels(found.labels)
    shown = (found.labels or {}).get(SHOW_LABEL)
    if shown is not None:
        labels = {**labels, SHOW_LABEL: shown}
    made = row(uid, intern(found.namespace or ""), intern(name), group, kind)
    made.resource_version = found.resource_version or ""
    made.generation = found.generation
    made.created = timestamp(found.creation_timestamp)
    if found.deletion_timestamp is not None:
        made.deleted = timestamp(found.deletion_timestamp) or 0.0
    made.owner = owner_of(found.owner_references)
    made.labels = labels
    return made


def _status(row: KeeperRow, status: shapes.Status) -> None:
    row.observed_generation = status.observed_generation
    row.conditions = _conditions(status)


def _conditions(status: shapes.Status | shapes.ServiceStatus) -> tuple[tuple[str, str, str, str], ...]:
    return tuple(
        (item.type or "", item.status or "", item.reason or "", item.message or "")
        for item in status.conditions or ()
    )


def _controller(raw: bytes | msgspec.Raw, kind: str) -> ControllerRow:
    shape = read(_CONTROLLER, raw)
    meta, spec = shape.metadata, shape.spec
    row = _base(ControllerRow, meta, "apps", kind)
    row.revision = meta.annotations.revision if meta and meta.annotations else None
    row.replicas_manager = _manager(meta, "replicas")
    if row.owner is not None and (row.owner.group, row.owner.kind) == _REVISION:
        row.service = ((meta.labels if meta else None) or {}).get(_SERVICE_LABEL)
    if spec is not None:
        row.replicas = replicas_of(spec.replicas)
        row.replicas_present = isinstance(spec.replicas, int)
        row.template = _template(spec.template)
        row.start = max(0, spec.ordinals.start or 0) if spec.ordinals else 0
        row.parallel = spec.pod_management_policy == "Parallel"
        row.paused = spec.paused is True
        strategy = spec.update_strategy
        if strategy is not None:
            row.by_hand = strategy.type == "OnDelete"
            row.partition = max(0, strategy.rolling_update.partition or 0) if strategy.rolling_update else 0
    status = shape.status
    if status is not None:
        _status(row, status)
        row.status_replicas = status.replicas
        row.status_ready = status.ready_replicas
        row.status_updated = status.updated_replicas
        if kind == "StatefulSet":
            row.revision = status.update_revision
    if kind == "StatefulSet":
        of_groups = ((meta.labels if meta else None) or {}).get(_REVISION_LABEL)
        row.revision = of_groups or row.revision
    return row


def leader_worker_set(raw: bytes | msgspec.Raw) -> LeaderWorkerSetRow:
    """A LeaderWorkerSet; raises DecodeFailure without uid or name."""
    shape = read(_LWS, raw)
    row = _base(LeaderWorkerSetRow, shape.metadata, "leaderworkerset.x-k8s.io", "LeaderWorkerSet")
    row.replicas_manager = _manager(shape.metadata, "replicas")
    spec = shape.spec
    if spec is not None:
        row.replicas = replicas_of(spec.replicas)
        row.replicas_present = isinstance(spec.replicas, int)
        template = spec.leader_worker_template
        if template is not None:
            row.size = max(1, template.size or 1)
            row.worker = _template(template.worker_template)
            row.leader = _template(template.leader_template) if template.leader_template else row.worker
    status = shape.status
    if status is not None:
        _status(row, status)
        row.status_replicas = status.replicas
        row.status_ready = status.ready_replicas
        row.status_updated = status.updated_replicas
    return row


def inference_service(raw: bytes | msgspec.Raw) -> InferenceServiceRow:
    """A KServe InferenceService; raises DecodeFailure without uid or name."""
    shape = read(_SERVICE, raw)
    meta, spec, status = shape.metadata, shape.spec, shape.status
    row = _base(InferenceServiceRow, meta, "serving.kserve.io", "InferenceService")
    said = (meta.annotations if meta else None) or shapes.Annotations()
    mode = (status.deployment_mode if status else None) or said.mode or row.mode
    row.mode = _MODES.get(mode, mode)
    row.scaler = said.scaler or "hpa"
    row.stopped = said.stop == "true"
    row.bounds_manager = _manager(meta, "predictor")
    urls: Mapping[str, str | None] = {}
    if status is not None:
        row.conditions = _conditions(status)
        row.url = status.url
        urls = {name: item.url for name, item in (status.components or {}).items() if item is not None}
        model = status.model_status
        if model is not None:
            row.model_state = model.transition_status
            failed = model.last_failure_info
            if failed is not None:
                row.failure = ": ".join(part for part in (failed.reason, failed.message) if part) or None
    if spec is not None:
        parts = (
            ("predictor", spec.predictor),
            ("transformer", spec.transformer),
            ("explainer", spec.explainer),
        )
        row.components = tuple(
            _component(name, part, urls.get(name)) for name, part in parts if part is not None
        )
        row.multi_node = spec.predictor is not None and spec.predictor.worker_spec is not None
    return row


def _component(name: str, part: shapes.ServiceComponent, url: str | None) -> ComponentRow:
    template = _template(shapes.Template(part))
    if part.model is not None and not template.gpus:
        template = replace(template, gpus=gpus_of_pod([part.model], None))
    return ComponentRow(
        name,
        part.min_replicas,
        part.max_replicas or None,
        part.scale_metric,
        part.scale_target,
        url,
        template,
    )


def _manager(meta: shapes.Meta | None, field: str) -> str | None:
    """The field manager that last wrote the counts, by field ownership."""
    newest: tuple[float, str] | None = None
    for entry in (meta.managed_fields if meta else None) or ():
        spec = entry.fields.spec if entry.fields else None
        if spec is None or not entry.manager:
            continue
        owned = spec.predictor
        owns = (
            spec.replicas is not UNSET
            if field == "replicas"
            else owned is not None and not (owned.minimum is UNSET and owned.maximum is UNSET)
        )
        claim = (timestamp(entry.time) or 0.0, entry.manager)
        if owns and (newest is None or claim[0] >= newest[0]):
            newest = claim
    return newest[1] if newest else None


def _template(template: shapes.Template | None) -> TemplateRow:
    spec = template.spec if template else None
    if spec is None:
        return TemplateRow()
    return TemplateRow(
        gpus=gpus_of_pod(spec.containers, spec.init_containers),
        placement=placement_of(spec),
        startup_probe=any(item.startup_probe is not None for item in spec.containers or ()),
        engine=_engine(spec.containers or ()),
    )


def _engine(containers: Iterable[shapes.Container]) -> str | None:
    told = (
        engine_in((container.image or "", *(container.command or ()), *(container.args or ())))
        for container in containers
    )
    return next((engine for engine in told if engine is not None), None)
